"""All model calls of a run are the writes to its `calls` channel, on the line of checkpoints that leads to its state:
no call of another branch, none twice, in order; those before a fork included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.types import Overwrite

from ...graphs.call_packing import unpacked
from ...graphs.call_record import CallRecord
from ..lineage import ancestors
from ..sqlite import GroupCommitSaver

CHANNEL: Final = "calls"
_PAGE: Final = 256  # checkpoints whose writes are asked for at once
_WRITES: Final = """
SELECT checkpoint_id, type, value FROM writes
WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id IN (SELECT value FROM json_each(?)) AND channel = 'calls'
"""


def calls_of(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> list[CallRecord]:
    """The calls that the state at `config` rests on; of a thread with several questions, those of the last one."""
    found: dict[str, CallRecord] = {}
    for values in _asked(saver, config) if isinstance(saver, GroupCommitSaver) else _walked(saver, config):
        for value in values:
            for one in value.value if isinstance(value, Overwrite) else value:
                found.setdefault(one["id"], unpacked(one))
        if any(isinstance(value, Overwrite) for value in values):  # the question before ends here
            break
    return sorted(found.values(), key=lambda one: one["at"])


def _walked(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> Iterator[list[Any]]:
    """What was written to the channel, ancestor by ancestor, nearest first."""
    row = saver.get_tuple(config)
    while row is not None and (child := _stood_for(saver, row)) is not None and child.parent_config is not None:
        row = saver.get_tuple(child.parent_config)
        if row is not None and not _turned_off(child):
            yield [value for _, channel, value in row.pending_writes or () if channel == CHANNEL]


def _turned_off(child: CheckpointTuple) -> bool:
    """Whether what the tasks of its parent wrote is another branch's: time travel began a new one here, and stored what
    the channel held before them."""
    return child.metadata.get("source") in ("fork", "update") and CHANNEL in child.checkpoint["channel_values"]


def _stood_for(saver: BaseCheckpointSaver[Any], row: CheckpointTuple) -> CheckpointTuple | None:
    """A checkpoint with a parent: the row itself, or, of a fork's first one, the checkpoint that it is a copy of,
    through any number of forks. None: it is a root, or the fork's source is gone."""
    seen: set[str] = set()
    while row.parent_config is None:
        origin = row.checkpoint["channel_values"].get("run", {}).get("origin")
        if origin is None or origin["thread"] in seen:
            return None
        seen.add(origin["thread"])
        where = {"thread_id": origin["thread"], "checkpoint_ns": "", "checkpoint_id": origin["checkpoint"]}
        source = saver.get_tuple({"configurable": where})
        if source is None:
            return None
        row = source
    return row


def _asked(saver: GroupCommitSaver, config: RunnableConfig) -> Iterator[list[Any]]:
    """The same of one of our files, decoding no checkpoint but where a branch begins."""
    target = saver.get_tuple(config)
    if target is None:
        return
    where = target.config["configurable"]
    with saver.cursor() as cursor:
        line, turned_off = list[tuple[str, str]](), target.parent_config is not None and _turned_off(target)
        for one in ancestors(cursor, (str(where["thread_id"]), "", target.checkpoint["id"])):
            if one.writes and not turned_off:
                line.append((one.thread, one.id))
            turned_off = b'"loop"' not in (one.metadata or b"") and _began(saver, one.thread, one.id)
        for start in range(0, len(line), _PAGE):
            page = line[start : start + _PAGE]
            by_place: dict[tuple[str, str], list[Any]] = {}
            for thread in dict.fromkeys(thread for thread, _ in page):
                ids = json.dumps([id for one, id in page if one == thread])
                for id, kind, value in cursor.execute(_WRITES, (thread, ids)).fetchall():
                    by_place.setdefault((thread, id), []).append(saver.serde.loads_typed((kind, value)))
            yield from (by_place.get(place, []) for place in page)


def _began(saver: GroupCommitSaver, thread: str, id: str) -> bool:
    row = saver.get_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": id}})
    return row is not None and row.parent_config is not None and _turned_off(row)
