"""Deleting checkpoints never takes away what a surviving one is rebuilt from.

A `DeltaChannel` is stored as writes along the parent chain back to its last snapshot; LangGraph names, in the metadata,
the channels that a checkpoint does not hold itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol

from ..errors import UsageError
from .statements import CheckpointKey, drop_checkpoints, drop_threads
from .writer import Change

_ONE = (
    "SELECT parent_checkpoint_id, type, checkpoint, metadata FROM checkpoints "
    "WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
)
_OF_THREAD = "SELECT checkpoint_ns, checkpoint_id FROM checkpoints WHERE thread_id = ? ORDER BY checkpoint_id"
_OF_RUN = (
    "SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints "
    "WHERE json_extract(CAST(metadata AS TEXT), '$.run_id') = ?"
)
_CHILDREN = (
    "SELECT checkpoint_id, metadata FROM checkpoints "
    "WHERE thread_id = ? AND checkpoint_ns = ? AND parent_checkpoint_id = ?"
)


def prune(cursor: sqlite3.Cursor, serde: SerializerProtocol, thread_ids: Iterable[str], strategy: str) -> Change:
    """The change that prunes the threads by LangGraph's strategies. Raises UsageError for another one."""
    if strategy == "delete":
        return drop_threads(thread_ids)
    if strategy == "keep_latest":
        return drop_checkpoints(key for one in thread_ids for key in _superseded(cursor, serde, str(one)))
    raise UsageError(f"there is no pruning strategy {strategy!r}", fix="Use 'keep_latest' or 'delete'")


def delete_for_runs(cursor: sqlite3.Cursor, run_ids: Sequence[str]) -> Change:
    """The change that deletes what the runs wrote. Raises UsageError when another run's checkpoint needs it."""
    doomed = {key for run_id in run_ids for key in cursor.execute(_OF_RUN, (str(run_id),)).fetchall()}
    for thread_id, namespace, checkpoint_id in doomed:
        for child, metadata in cursor.execute(_CHILDREN, (thread_id, namespace, checkpoint_id)).fetchall():
            if (thread_id, namespace, child) not in doomed and _borrowed(metadata):
                raise UsageError(
                    f"checkpoint {child} of thread {thread_id} is rebuilt from a run that was to be deleted",
                    fix="Delete the later runs too, or the whole thread",
                )
    return drop_checkpoints(doomed)


def _superseded(cursor: sqlite3.Cursor, serde: SerializerProtocol, thread_id: str) -> list[CheckpointKey]:
    """The checkpoints that neither are the latest of their namespace nor needed to rebuild it."""
    by_namespace: dict[str, list[str]] = {}
    for namespace, checkpoint_id in cursor.execute(_OF_THREAD, (thread_id,)).fetchall():
        by_namespace.setdefault(namespace, []).append(checkpoint_id)
    gone: list[CheckpointKey] = []
    for namespace, ids in by_namespace.items():
        kept = _needed(cursor, serde, (thread_id, namespace, ids[-1]))
        gone.extend((thread_id, namespace, checkpoint_id) for checkpoint_id in ids if checkpoint_id not in kept)
    return gone


def _needed(cursor: sqlite3.Cursor, serde: SerializerProtocol, key: CheckpointKey) -> set[str]:
    """The checkpoint itself and its ancestors back to the nearest that hold every channel it does not hold."""
    thread_id, namespace, checkpoint_id = key
    parent, _, _, metadata = cursor.execute(_ONE, key).fetchone()
    missing, kept = _borrowed(metadata), {checkpoint_id}
    while missing and parent not in kept:
        row = cursor.execute(_ONE, (thread_id, namespace, parent)).fetchone()
        if row is None:  # the root, or a chain that was cut before
            break
        kept.add(parent)
        parent, kind, blob, _ = row
        missing -= serde.loads_typed((kind, blob))["channel_values"].keys()
    return kept


def _borrowed(metadata: bytes | None) -> set[str]:
    described: dict[str, Any] = json.loads(metadata or b"{}")
    return set(described.get("counters_since_delta_snapshot") or ())
