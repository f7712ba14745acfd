"""The in-memory saver keeps the rules of the stored one: strict reading, checked filters, a journal, any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.memory import InMemorySaver

from .filters import allowed_keys, check_filter
from .serializer import strict_serializer


class StrictMemorySaver(InMemorySaver):
    """LangGraph's in-memory saver with a lock and a journal, for tests and demonstrations."""

    def __init__(self, *, filter_keys: Iterable[str] = ()) -> None:
        """`filter_keys` adds metadata keys that `list` may filter by."""
        super().__init__(serde=strict_serializer())
        self._filter_keys = allowed_keys(filter_keys)
        self._journal: dict[str, bytes] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """Nothing to do: what is stored stays readable until the saver is forgotten."""

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """A checkpoint; None when there is none."""
        with self._lock:
            return super().get_tuple(config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first in each thread. Raises UsageError for a filter key that is not allowed."""
        check_filter(filter, self._filter_keys)
        with self._lock:
            return iter(tuple(super().list(config, filter=filter, before=before, limit=limit)))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """The writes that each channel is rebuilt from."""
        with self._lock:
            return super().get_delta_channel_history(config=config, channels=channels)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        with self._lock:
            return super().put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes."""
        with self._lock:
            super().put_writes(config, writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread's checkpoints and writes; its journal records stay."""
        with self._lock:
            super().delete_thread(thread_id)

    def recall(self, key: str) -> bytes | None:
        """What was recorded under `key`; None when nothing was."""
        return self._journal.get(key)

    def record(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`; the first record of a key stays."""
        self._journal.setdefault(key, value)

    async def arecord(self, key: str, value: bytes) -> None:
        """As `record`."""
        self.record(key, value)
