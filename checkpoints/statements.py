"""What one caller wants stored, as statements, built on the caller's side: its mistakes are raised to it alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointMetadata,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from . import detachment
from .writer import Change, SqlValue

_CHECKPOINT = "checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata"
_WRITE = "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value"
_PUT = f"INSERT OR REPLACE INTO checkpoints (thread_id, {_CHECKPOINT}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_FORK = (  # unless the name is taken or what it shares is gone
    f"INSERT INTO checkpoints (thread_id, {_CHECKPOINT}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 "
    "WHERE NOT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = ?1) AND "
    "EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = ?8 AND checkpoint_ns = ?2 AND checkpoint_id = ?9)"
)
_PUT_WRITE = f"INTO writes (thread_id, {_WRITE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_WRITE_ONCE = f"INSERT OR IGNORE {_PUT_WRITE}"
_PUT_WRITE_AGAIN = f"INSERT OR REPLACE {_PUT_WRITE}"
_RECORD = "INSERT OR IGNORE INTO journal (key, size, value) VALUES (?, ?, ?)"
_DROP_THREAD = tuple(f"DELETE FROM {table} WHERE thread_id = ?" for table in ("checkpoints", "writes"))
_DROP_CHECKPOINT = tuple(
    f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
    for table in ("checkpoints", "writes")
)
_COPY = tuple(
    f"INSERT OR REPLACE INTO {table} (thread_id, {columns}) SELECT ?, {columns} FROM {table} WHERE thread_id = ?"
    for table, columns in (("checkpoints", _CHECKPOINT), ("writes", _WRITE))
)

CheckpointKey = tuple[str, str, str]  # thread, namespace, checkpoint


def put_checkpoint(
    serde: SerializerProtocol, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata
) -> tuple[Change, RunnableConfig]:
    """The change that stores `checkpoint` as a child of the one `config` names, and the config that names it."""
    row = _row(serde, config, checkpoint, metadata)
    stored = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": row[1], "checkpoint_id": row[2]}
    return [(_PUT, [row])], {"configurable": stored}


def put_forks(
    serde: SerializerProtocol,
    source: CheckpointKey,
    forks: Iterable[tuple[str, Checkpoint, CheckpointMetadata]],
) -> Change:
    """The change that stores the first checkpoints of forks of `source`, by thread: all of them at once, and none whose
    thread exists. Nothing is stored when `source` is gone."""
    rows = [
        (*_row(serde, {"configurable": {"thread_id": thread_id}}, checkpoint, metadata), source[0], source[2])
        for thread_id, checkpoint, metadata in forks
    ]
    return [(_PUT_FORK, rows)]


def _row(
    serde: SerializerProtocol, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata
) -> tuple[SqlValue, ...]:
    configurable = config["configurable"]
    described = json.dumps(get_checkpoint_metadata(config, metadata), ensure_ascii=False, separators=(",", ":"))
    return (
        str(configurable["thread_id"]),
        configurable.get("checkpoint_ns", ""),
        checkpoint["id"],
        configurable.get("checkpoint_id"),
        *serde.dumps_typed(checkpoint),
        described.encode("utf-8", "ignore"),
    )


def put_writes(
    serde: SerializerProtocol,
    config: RunnableConfig,
    writes: Sequence[tuple[str, Any]],
    task_id: str,
    task_path: str,
) -> Change:
    """The change that stores a task's writes. The first of an index stays, except in LangGraph's special channels."""
    configurable = config["configurable"]
    task = (
        str(configurable["thread_id"]),
        str(configurable.get("checkpoint_ns", "")),
        str(configurable["checkpoint_id"]),
        task_id,
        task_path,
    )
    special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
    rows = [
        (*task, WRITES_IDX_MAP.get(channel, position), channel, *serde.dumps_typed(value))
        for position, (channel, value) in enumerate(writes)
    ]
    return [(_PUT_WRITE_AGAIN if special else _PUT_WRITE_ONCE, rows)]


def record(key: str, size: int, value: bytes) -> Change:
    """The change that stores a journal record unless its key has one."""
    return [(_RECORD, [(key, size, value)])]


def copy_thread(source: str, target: str) -> Change:
    """The change that copies all checkpoints and writes of a thread."""
    return [(sql, [(str(target), str(source))]) for sql in _COPY]


def drop_threads(thread_ids: Iterable[str]) -> Change:
    """The change that deletes all checkpoints and writes of the threads, after their forks got what they need."""
    rows = [(str(thread_id),) for thread_id in thread_ids]
    return [*detachment.before((name, None) for (name,) in rows), *((sql, rows) for sql in _DROP_THREAD)]


def drop_checkpoints(keys: Iterable[CheckpointKey]) -> Change:
    """The change that deletes the checkpoints and their writes, after forks of their threads got what they need."""
    rows = list(keys)
    gone = [(thread_id, id) for thread_id, namespace, id in rows if not namespace]
    return [*detachment.before(gone), *((sql, rows) for sql in _DROP_CHECKPOINT)]
