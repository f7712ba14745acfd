"""A fork outlives the thread that it was forked from: before checkpoints go, every fork that is rebuilt from one of
them gets copies of all it needs, in the same transaction, so that no fork can be made in between.

A detached fork's first checkpoint has the copy of the checkpoint that it stood for as its parent. What was written on
that one belongs to the way that the forked run took, and is not copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from .writer import Change, Statement

Gone = tuple[str, str | None]
"""A thread and one of its checkpoints; None: all of them."""

# Forks are found by the first checkpoint of each thread, which the index alone tells.
_LINES: Final = """
WITH RECURSIVE
gone(thread, id) AS MATERIALIZED (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?1)
),
first(thread, id) AS (
    SELECT thread_id, MIN(checkpoint_id) FROM checkpoints WHERE checkpoint_ns = '' GROUP BY thread_id
),
root(thread, id, told) AS (
    SELECT thread_id, checkpoint_id, CAST(metadata AS TEXT) FROM first CROSS JOIN checkpoints
    WHERE thread_id = first.thread AND checkpoint_ns = '' AND checkpoint_id = first.id AND parent_checkpoint_id IS NULL
),
fork(thread, root, source, start) AS MATERIALIZED (
    SELECT thread, id, json_extract(told, '$.forked_from.thread_id'), json_extract(told, '$.forked_from.checkpoint_id')
    FROM root WHERE told LIKE '%"forked_from"%'
),
hit(thread) AS (
    SELECT value FROM json_each(?2)
    UNION SELECT fork.thread FROM fork JOIN gone ON gone.thread = fork.source
),
line(thread, source, id, above, parent, copied) AS (
    SELECT thread, thread, root, source, start, 0 FROM fork
    WHERE thread IN hit
      AND NOT EXISTS (SELECT 1 FROM gone WHERE gone.thread = fork.thread AND (id IS NULL OR id = fork.root))
    UNION
    SELECT line.thread, c.thread_id, c.checkpoint_id, COALESCE(fork.source, c.thread_id),
           COALESCE(c.parent_checkpoint_id, fork.start), line.source = line.above
    FROM line CROSS JOIN checkpoints c
    LEFT JOIN fork ON fork.thread = c.thread_id AND fork.root = c.checkpoint_id
    WHERE c.thread_id = line.above AND c.checkpoint_ns = '' AND c.checkpoint_id = line.parent
),
cut(thread) AS (
    SELECT value FROM json_each(?2)
    UNION
    SELECT line.thread FROM line JOIN gone ON gone.thread = line.source AND (gone.id IS NULL OR gone.id = line.id)
)
"""
_WRITE: Final = "task_id, task_path, idx, channel, type, value"
_COPY_WRITES: Final = f"""
INSERT OR IGNORE INTO writes (thread_id, checkpoint_ns, checkpoint_id, {_WRITE}) {_LINES}
SELECT line.thread, '', w.checkpoint_id, {_WRITE} FROM cut JOIN line USING (thread) CROSS JOIN writes w
WHERE line.copied AND w.thread_id = line.source AND w.checkpoint_ns = '' AND w.checkpoint_id = line.id
"""
# Comes second: with its ancestors in its thread, a fork's first checkpoint is no longer the thread's first.
_COPY_CHECKPOINTS: Final = f"""
INSERT OR REPLACE INTO checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata) {_LINES}
SELECT line.thread, '', c.checkpoint_id, line.parent, c.type, c.checkpoint,
       CAST(json_remove(CAST(c.metadata AS TEXT), '$.forked_from') AS BLOB)
FROM cut JOIN line USING (thread) CROSS JOIN checkpoints c
WHERE c.thread_id = line.source AND c.checkpoint_ns = '' AND c.checkpoint_id = line.id
"""


def before(gone: Iterable[Gone]) -> list[Statement]:
    """What has to happen before these checkpoints are deleted."""
    return _detached(gone, ())


def detached(thread_ids: Iterable[str]) -> Change:
    """The change after which these forks need no other thread; other threads stay as they are."""
    return _detached((), thread_ids)


def _detached(gone: Iterable[Gone], thread_ids: Iterable[str]) -> list[Statement]:
    names = (json.dumps([*gone]), json.dumps([str(one) for one in thread_ids]))
    return [(_COPY_WRITES, [names]), (_COPY_CHECKPOINTS, [names])]
