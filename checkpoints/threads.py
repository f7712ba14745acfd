"""A thread is listed once, if it can be resumed: its root namespace has a checkpoint. The newest comes first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from .sqlite import GroupCommitSaver

_NEWEST = (  # answered by the index alone
    "SELECT thread_id, COUNT(*), MIN(checkpoint_id), MAX(checkpoint_id) AS last FROM checkpoints "
    "WHERE checkpoint_ns = '' GROUP BY thread_id ORDER BY last DESC LIMIT ?"
)
_STORED = "SELECT type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ?"


@dataclass(frozen=True)
class ThreadSummary:
    """What a listing says of a thread."""

    thread_id: str
    checkpoints: int  # of the root namespace: super-steps and updates, those of nested graphs left out
    last_checkpoint_id: str
    created: str | None  # ISO 8601, when its first checkpoint was made; None: the checkpoint does not say
    updated: str | None  # the same of its last


def list_threads(saver: BaseCheckpointSaver[Any], *, limit: int | None = None) -> list[ThreadSummary]:
    """The threads of a saver, newest first, at most `limit` of them (None: all).

    Our own files are asked directly; any other saver is listed, which reads every checkpoint.
    """
    if isinstance(saver, GroupCommitSaver):
        return _ask(saver, limit)
    return list(islice(_gather(saver.list(None)), limit))


def _ask(saver: GroupCommitSaver, limit: int | None) -> list[ThreadSummary]:
    summaries = []
    with saver.cursor() as cursor:

        def stamp(thread_id: str, checkpoint_id: str) -> str | None:
            return _stamp(saver.serde.loads_typed(cursor.execute(_STORED, (thread_id, checkpoint_id)).fetchone()))

        for thread_id, count, first, last in cursor.execute(_NEWEST, (-1 if limit is None else limit,)).fetchall():
            summaries.append(ThreadSummary(thread_id, count, last, stamp(thread_id, first), stamp(thread_id, last)))
    return summaries


def _gather(rows: Iterable[CheckpointTuple]) -> list[ThreadSummary]:
    stamps: dict[str, dict[str, str | None]] = {}
    for row in rows:
        where = row.config["configurable"]
        if not where.get("checkpoint_ns"):
            stamps.setdefault(str(where["thread_id"]), {})[row.checkpoint["id"]] = _stamp(row.checkpoint)
    summaries = [
        ThreadSummary(thread_id, len(by_id), max(by_id), by_id[min(by_id)], by_id[max(by_id)])
        for thread_id, by_id in stamps.items()
    ]
    return sorted(summaries, key=lambda summary: summary.last_checkpoint_id, reverse=True)


def _stamp(checkpoint: Any) -> str | None:
    return checkpoint.get("ts") or None
