"""A write is durable when its call returns, and every read sees it. One saver serves all threads and event loops."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
)
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.utils import search_where

from . import detachment, housekeeping, statements
from .database import Database
from .filters import allowed_keys, check_filter
from .lineage import delta_histories
from .packing import pack, unpack
from .serializer import strict_serializer
from .writer import Change

_KEY = ("thread_id", "checkpoint_ns", "checkpoint_id")
_PAGE = 64  # checkpoints that a listing on an event loop fetches per visit to a thread


class GroupCommitSaver(SqliteSaver):
    """LangGraph's SQLite saver with one writer: what is queued at a moment is committed together, with FULL durability.

    It keeps the shipped saver's tables, so either reads the other's files, and holds the journal of finished calls.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        create: bool = True,
        busy_timeout: float = 30.0,
        capacity: int = 1024,
        filter_keys: Iterable[str] = (),
    ) -> None:
        """Open or create the file at `path`.

        `create=False` refuses a missing file. `busy_timeout` (seconds) bounds the wait for other processes' locks,
        `capacity` the number of queued writes before callers wait. `filter_keys` adds metadata keys that `list` may
        filter by. Raises UsageError for a file that cannot be used; such a file is left as it was.
        """
        self._filter_keys = allowed_keys(filter_keys)
        self.database = Database(Path(path), create=create, busy_timeout=busy_timeout, capacity=capacity)
        super().__init__(self.database.reader, serde=strict_serializer())
        self.is_setup = True  # opening made the tables

    def close(self) -> None:
        """Commit what is queued and close the file. May be called twice; every later use raises SaverClosedError."""
        self.database.close()

    def __enter__(self) -> Self:
        """The saver itself; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> Self:
        """The saver itself; leaving the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, without blocking the event loop."""
        await asyncio.to_thread(self.close)

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """A cursor for reading, on a connection of its own. `transaction` changes nothing: it belongs to writing."""
        with self.database.readers.snapshot() as cursor:
            yield cursor

    def get_next_version(self, current: str | None, channel: None) -> str:
        """`+` and eight digits, a third of the shipped saver's length: versions are most of a checkpoint's bytes.

        They sort before the shipped saver's and count on from one another, so either saver continues the other's
        threads. They order one line of checkpoints and are not unique across forks, which the inline values allow.
        """
        if current is None or str(current).startswith("+"):
            return f"+{int(current or 0) + 1:08}"
        return super().get_next_version(current, channel)

    # Reading: point reads take tens of microseconds, less than a visit to another thread; the rest goes to one.

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first, each read when asked for. Raises UsageError for a key that is not allowed."""
        check_filter(filter, self._filter_keys)
        where, values = search_where(config, filter, before)
        query = f"SELECT {', '.join(_KEY)} FROM checkpoints {where} ORDER BY checkpoint_id DESC LIMIT ?"
        with self.cursor() as cursor:
            keys = cursor.execute(query, (*values, -1 if limit is None else limit)).fetchall()
        rows = (self.get_tuple({"configurable": dict(zip(_KEY, key, strict=True))}) for key in keys)
        return (row for row in rows if row is not None)  # None: deleted since

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As `list`."""
        rows = self.list(config, filter=filter, before=before, limit=limit)
        while page := await asyncio.to_thread(lambda: tuple(islice(rows, _PAGE))):
            for item in page:
                yield item

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `get_tuple`."""
        return self.get_tuple(config)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What the delta channels of a checkpoint (of the thread's last one when `config` names none) are made of."""
        if not channels:
            return {}
        id = get_checkpoint_id(config)
        if not id and (last := self.get_tuple(config)) is not None:
            id = last.checkpoint["id"]
        where = config["configurable"]
        key = (str(where["thread_id"]), where.get("checkpoint_ns", ""), id or "")
        with self.cursor() as cursor:
            return delta_histories(cursor, self.serde, key, channels)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `get_delta_channel_history`."""
        return await asyncio.to_thread(self.get_delta_channel_history, config=config, channels=channels)

    # Writing: each returns when what it wrote is durable.

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        change, stored = statements.put_checkpoint(self.serde, config, checkpoint, metadata)
        self.database.writer.commit(change)
        return stored

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `put`."""
        change, stored = statements.put_checkpoint(self.serde, config, checkpoint, metadata)
        await self.database.writer.acommit(change)
        return stored

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes."""
        self.database.writer.commit(statements.put_writes(self.serde, config, writes, task_id, task_path))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`."""
        await self.database.writer.acommit(statements.put_writes(self.serde, config, writes, task_id, task_path))

    def put_forks(self, source: RunnableConfig, forks: Iterable[tuple[str, Checkpoint, CheckpointMetadata]]) -> None:
        """Store the first checkpoints of forks, by thread, all at once. One whose thread exists already is left out,
        and all are when the checkpoint `source` is gone."""
        where = source["configurable"]
        key = (str(where["thread_id"]), where.get("checkpoint_ns", ""), where["checkpoint_id"])
        self.database.writer.commit(statements.put_forks(self.serde, key, forks))

    def detach(self, *thread_ids: str) -> None:
        """Copy into the threads of forks what they share, so that savers that know nothing of forks read them."""
        self.database.writer.commit(detachment.detached(thread_ids))

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread's checkpoints and writes; its journal records stay, and its forks keep what they need."""
        self.database.writer.commit(statements.drop_threads([thread_id]))

    async def adelete_thread(self, thread_id: str) -> None:
        """As `delete_thread`."""
        await self.database.writer.acommit(statements.drop_threads([thread_id]))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints and writes of a thread."""
        self.database.writer.commit(statements.copy_thread(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `copy_thread`."""
        await self.database.writer.acommit(statements.copy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all (`"delete"`) or all but the latest checkpoint of each namespace and what that is rebuilt from."""
        self.database.writer.commit(self._pruning(thread_ids, strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `prune`."""
        await self.database.writer.acommit(await asyncio.to_thread(self._pruning, thread_ids, strategy))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints of runs. Raises UsageError when another run's checkpoint is rebuilt from one."""
        self.database.writer.commit(self._deleting(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `delete_for_runs`."""
        await self.database.writer.acommit(await asyncio.to_thread(self._deleting, run_ids))

    def _pruning(self, thread_ids: Sequence[str], strategy: str) -> Change:
        with self.cursor() as cursor:
            return housekeeping.prune(cursor, self.serde, thread_ids, strategy)

    def _deleting(self, run_ids: Sequence[str]) -> Change:
        with self.cursor() as cursor:
            return housekeeping.delete_for_runs(cursor, run_ids)

    # The journal of finished calls.

    def recall(self, key: str) -> bytes | None:
        """What was recorded under `key`; None when nothing was."""
        with self.cursor() as cursor:
            row = cursor.execute("SELECT value, size FROM journal WHERE key = ?", (key,)).fetchone()
        return None if row is None else unpack(*row)

    def record(self, key: str, value: bytes) -> None:
        """Store `value` under `key`, durably; the first record of a key stays."""
        self.database.writer.commit(statements.record(key, len(value), pack(value)))

    async def arecord(self, key: str, value: bytes) -> None:
        """As `record`."""
        await self.database.writer.acommit(statements.record(key, len(value), pack(value)))
