"""A thread's stamp is the same as long as nothing of the thread changed: no checkpoint and no write came or went.

Checkpoints and writes are never rewritten, so their number and their ends say enough, and tables of ours need not be
read for it: their keys do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ..sqlite import GroupCommitSaver

Stamp = tuple[str, str]
"""Thread and stamp."""

_STAMPS: Final = """
WITH steps AS (
    SELECT thread_id, COUNT(*) AS n, MIN(checkpoint_id) AS first, MAX(checkpoint_id) AS last
    FROM checkpoints WHERE checkpoint_ns = '' {only} GROUP BY thread_id
), written AS (
    SELECT thread_id, COUNT(*) AS n, MAX(rowid) AS last FROM writes WHERE true {only} GROUP BY thread_id
)
SELECT thread_id, printf('%d %s %s %d %d', steps.n, first, steps.last, written.n, written.last)
FROM steps LEFT JOIN written USING (thread_id)
"""
_ALL: Final = _STAMPS.format(only="")
_ONE: Final = _STAMPS.format(only="AND thread_id = ?")


def stamps(saver: BaseCheckpointSaver[Any]) -> Iterator[Stamp]:
    """Every thread whose root namespace has a checkpoint, with its stamp, as of one moment. Our own files are asked
    directly; any other saver is listed, which reads every checkpoint."""
    if isinstance(saver, GroupCommitSaver):
        with saver.cursor() as cursor:
            yield from cursor.execute(_ALL)
    else:
        yield from _gathered(saver.list(None))


def stamp(saver: BaseCheckpointSaver[Any], thread_id: str) -> str | None:
    """The stamp of one thread; None: there is no such thread (any more)."""
    if isinstance(saver, GroupCommitSaver):
        with saver.cursor() as cursor:
            row = cursor.execute(_ONE, (thread_id, thread_id)).fetchone()
        return None if row is None else str(row[1])
    return dict(_gathered(saver.list({"configurable": {"thread_id": thread_id}}))).get(thread_id)


def _gathered(rows: Iterable[CheckpointTuple]) -> list[Stamp]:
    """The same of any saver: how many checkpoints, which is the first and the last, how many writes."""
    found: dict[str, tuple[int, str, str, int]] = {}
    for row in rows:
        where, id, writes = row.config["configurable"], row.checkpoint["id"], len(row.pending_writes or ())
        root = not where.get("checkpoint_ns")
        thread = str(where["thread_id"])
        count, first, last, before = found.get(thread, (0, "", "", 0))
        if root:
            first, last = min(first or id, id), max(last, id)
        found[thread] = count + root, first, last, before + writes
    return [(thread, " ".join(map(str, known))) for thread, known in found.items() if known[0]]
