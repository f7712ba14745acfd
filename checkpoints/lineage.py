"""A delta channel is rebuilt from just the writes on the path from its last stored value to the checkpoint asked for:
no write of another branch, none twice, in the order in which the live run applied them.

LangGraph's own walk decodes every ancestor to see whether it stores a value. Here the metadata says so: a checkpoint
that counts the steps since a channel's snapshot holds no snapshot of it, and is not decoded.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from langgraph.checkpoint.base import DeltaChannelHistory, writes_sort_key
from langgraph.checkpoint.serde.base import SerializerProtocol

# UNION, not UNION ALL: a chain of parents that was bent into a loop ends instead of going round.
_CHAIN: Final = """
WITH RECURSIVE chain(id, parent) AS (
    SELECT checkpoint_id, parent_checkpoint_id FROM checkpoints
    WHERE thread_id = :thread AND checkpoint_ns = :namespace AND checkpoint_id = :target
    UNION
    SELECT c.checkpoint_id, c.parent_checkpoint_id FROM chain CROSS JOIN checkpoints c
    WHERE c.thread_id = :thread AND c.checkpoint_ns = :namespace AND c.checkpoint_id = chain.parent
)
SELECT id, CAST(metadata AS BLOB) FROM chain CROSS JOIN checkpoints
WHERE thread_id = :thread AND checkpoint_ns = :namespace AND checkpoint_id = id AND id != :target
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


def delta_histories(
    cursor: sqlite3.Cursor, serde: SerializerProtocol, key: tuple[str, str, str], channels: Sequence[str]
) -> Mapping[str, DeltaChannelHistory]:
    """Seed and writes of each channel for the checkpoint `key` (thread, namespace, id), the checkpoint's own left
    out: LangGraph's contract for `get_delta_channel_history`."""
    chains, seeds = _walk(cursor, serde, key, channels)
    histories: dict[str, DeltaChannelHistory] = {channel: {"writes": []} for channel in channels}
    for channel, seed in seeds.items():
        histories[channel]["seed"] = seed
    longest = max(chains.values(), key=len, default=[])
    places = {id: -place for place, id in enumerate(longest)}
    rows = cursor.execute(_WRITES, (*key[:2], json.dumps(longest), json.dumps(list(channels)))).fetchall()
    for id, channel, _, task, _, kind, value in sorted(
        rows, key=lambda row: (places[row[0]], *writes_sort_key(*row[2:5]))
    ):
        if -places[id] < len(chains[channel]):
            histories[channel]["writes"].append((task, channel, serde.loads_typed((kind, value))))
    return histories


def _walk(
    cursor: sqlite3.Cursor, serde: SerializerProtocol, key: tuple[str, str, str], channels: Iterable[str]
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """For each channel the ancestors whose writes count, nearest first, and the stored value where there is one."""
    chains: dict[str, list[str]] = {channel: [] for channel in channels}
    seeds: dict[str, Any] = {}
    active = dict.fromkeys(chains)
    names = {"thread": key[0], "namespace": key[1], "target": key[2]}
    for id, metadata in cursor.execute(_CHAIN, names):  # rows come as the walk goes, so stopping early saves the rest
        for channel in active:
            chains[channel].append(id)
        if not _counts_all(metadata, active):
            kind, stored = cursor.connection.execute(_STORED, (*key[:2], id)).fetchone()
            values = serde.loads_typed((kind, stored)).get("channel_values") or {}
            for channel in [one for one in active if one in values]:
                seeds[channel] = values[channel]
                del active[channel]
            if not active:
                break
    return chains, seeds


def _counts_all(metadata: bytes | None, channels: Iterable[str]) -> bool:
    counted = _COUNTED.search(metadata or b"")
    return counted is not None and all(f'"{channel}":'.encode() in counted[1] for channel in channels)
