"""A delta channel is rebuilt from just the writes on the path from its last stored value to the checkpoint asked for:
no write of another branch, none twice, in the order in which the live run applied them.

LangGraph's own walk decodes every ancestor to see whether it stores a value. Here the metadata says so: a checkpoint
that counts the steps since a channel's snapshot holds no snapshot of it, and is not decoded. The first checkpoint of a
fork names the checkpoint that it stands for, and the walk goes on there, in the thread that was forked.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from langgraph.checkpoint.base import DeltaChannelHistory, writes_sort_key
from langgraph.checkpoint.serde.base import SerializerProtocol

FORKED_FROM: Final = "forked_from"
"""Metadata of a fork's first checkpoint: `{"thread_id", "checkpoint_id"}` of the one whose growing channels it shares.
No caller can write it: of a config LangGraph takes only plain values into metadata."""

# UNION, not UNION ALL: a chain of parents that was bent into a loop ends instead of going round.
_CHAIN: Final = """
WITH RECURSIVE chain(id, parent) AS (
    SELECT checkpoint_id, parent_checkpoint_id FROM checkpoints
    WHERE thread_id = :thread AND checkpoint_ns = :namespace AND checkpoint_id = :target
    UNION
    SELECT c.checkpoint_id, c.parent_checkpoint_id FROM chain CROSS JOIN checkpoints c
    WHERE c.thread_id = :thread AND c.checkpoint_ns = :namespace AND c.checkpoint_id = chain.parent
)
SELECT id, parent, CAST(metadata AS BLOB) FROM chain CROSS JOIN checkpoints
WHERE thread_id = :thread AND checkpoint_ns = :namespace AND checkpoint_id = id
"""
_STORED: Final = (
    "SELECT type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
)
_WRITES: Final = """
SELECT checkpoint_id, channel, task_path, task_id, idx, type, value FROM writes
WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id IN (SELECT value FROM json_each(?))
  AND channel IN (SELECT value FROM json_each(?))
"""
_COUNTED: Final = re.compile(rb'"counters_since_delta_snapshot": ?\{([^}]*)\}')


class Ancestor(NamedTuple):
    """A checkpoint on the path."""

    thread: str
    id: str
    metadata: bytes | None
    writes: bool
    """Whether what was written on it is on the path; False: the fork took another way from here."""


def delta_histories(
    cursor: sqlite3.Cursor, serde: SerializerProtocol, key: tuple[str, str, str], channels: Sequence[str]
) -> Mapping[str, DeltaChannelHistory]:
    """Seed and writes of each channel for the checkpoint `key` (thread, namespace, id), the checkpoint's own left
    out: LangGraph's contract for `get_delta_channel_history`."""
    path, lengths, seeds = _walk(cursor, serde, key, channels)
    histories: dict[str, DeltaChannelHistory] = {channel: {"writes": []} for channel in channels}
    for channel, seed in seeds.items():
        histories[channel]["seed"] = seed
    places = {(one.thread, one.id): -place for place, one in enumerate(path) if one.writes}
    by_thread: dict[str, list[str]] = {}
    for thread, id in places:
        by_thread.setdefault(thread, []).append(id)
    rows = [
        (places[thread, row[0]], *row)
        for thread, ids in by_thread.items()
        for row in cursor.execute(_WRITES, (thread, key[1], json.dumps(ids), json.dumps(list(channels))))
    ]
    for place, _, channel, _, task, _, kind, value in sorted(
        rows, key=lambda row: (row[0], *writes_sort_key(*row[3:6]))
    ):
        if -place < lengths[channel]:
            histories[channel]["writes"].append((task, channel, serde.loads_typed((kind, value))))
    return histories


def _walk(
    cursor: sqlite3.Cursor, serde: SerializerProtocol, key: tuple[str, str, str], channels: Iterable[str]
) -> tuple[list[Ancestor], dict[str, int], dict[str, Any]]:
    """The path, nearest first; for each channel, how much of it counts and the stored value where there is one."""
    path: list[Ancestor] = []
    lengths: dict[str, int] = {}
    seeds: dict[str, Any] = {}
    active = dict.fromkeys(channels)
    for one in ancestors(cursor, key):  # rows come as the walk goes, so stopping early saves the rest
        path.append(one)
        if not _counts_all(one.metadata, active):
            kind, stored = cursor.connection.execute(_STORED, (one.thread, key[1], one.id)).fetchone()
            values = serde.loads_typed((kind, stored)).get("channel_values") or {}
            for channel in [one for one in active if one in values]:
                seeds[channel], lengths[channel] = values[channel], len(path)
                del active[channel]
            if not active:
                break
    return path, {**dict.fromkeys(active, len(path)), **lengths}, seeds


def ancestors(cursor: sqlite3.Cursor, key: tuple[str, str, str]) -> Iterator[Ancestor]:
    """What the checkpoint `key` was made from, nearest first, through every fork back to the first thread's root."""
    (thread, namespace, target), shared = key, False
    known: set[tuple[str, str]] = set()
    while (thread, target) not in known:  # forks that name each other in a ring are not followed twice
        known.add((thread, target))
        root: bytes | None = None
        names = {"thread": thread, "namespace": namespace, "target": target}
        for id, parent, metadata in cursor.connection.execute(_CHAIN, names):
            if shared or id != target:
                yield Ancestor(thread, id, metadata, writes=id != target)
            root = metadata if parent is None else None
        if (source := forked_from(root)) is None:
            return
        (thread, target), shared = source, True


def forked_from(metadata: bytes | None) -> tuple[str, str] | None:
    """Thread and checkpoint that a thread's first checkpoint stands for; None: it is no fork, or one that holds all it
    needs."""
    if metadata is None or FORKED_FROM.encode() not in metadata:
        return None
    named = json.loads(metadata).get(FORKED_FROM)
    return (named["thread_id"], named["checkpoint_id"]) if isinstance(named, dict) else None


def _counts_all(metadata: bytes | None, channels: Iterable[str]) -> bool:
    counted = _COUNTED.search(metadata or b"")
    return counted is not None and all(f'"{channel}":'.encode() in counted[1] for channel in channels)
