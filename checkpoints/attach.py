"""What is attached to a checkpoint stands beside it as a write of no task: any saver holds it, LangGraph reads past it,
and the run, its resume, its forks and its state are what they would be without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ..digest import digest

CALL: Final = "flowwright_call"
"""Channel of the records of model calls; values are `CallRecord`s."""
TOOL: Final = "flowwright_tool"
"""Channel of the records of tools; values are `ToolRecord`s."""

_under_way: set[asyncio.Task[None]] = set()


def attach(saver: BaseCheckpointSaver[Any], thread: str, checkpoint: str, channel: str, value: Any, id: str) -> None:
    """Stores `value` at a checkpoint of the root graph, durably if the saver is. `id` makes it unique: the first value
    under an id stays. On the saver's own event loop, which cannot be waited for there, it is queued before whatever
    the caller's task stores next. Raises what the saver raises, NotImplementedError if it has no way to do it."""
    if _loop_of(saver) is _running():
        task = asyncio.get_running_loop().create_task(_put(saver, thread, checkpoint, channel, value, id))
        _under_way.add(task)
        task.add_done_callback(_under_way.discard)
        return
    saver.put_writes(_config(thread, checkpoint), [(channel, value)], _task_id(id))


async def aattach(
    saver: BaseCheckpointSaver[Any], thread: str, checkpoint: str, channel: str, value: Any, id: str
) -> None:
    """As `attach`, and stored when it returns. A cancelled caller does not take it back."""
    await asyncio.shield(_put(saver, thread, checkpoint, channel, value, id))


def attached(row: CheckpointTuple, channel: str) -> Iterator[Any]:
    """The values attached to a checkpoint in a channel."""
    return (value for _, name, value in row.pending_writes or () if name == channel)


async def _put(
    saver: BaseCheckpointSaver[Any], thread: str, checkpoint: str, channel: str, value: Any, id: str
) -> None:
    where, writes, task = _config(thread, checkpoint), [(channel, value)], _task_id(id)
    if _loop_of(saver) in (None, asyncio.get_running_loop()):
        with suppress(NotImplementedError):  # a saver of synchronous graphs
            await saver.aput_writes(where, writes, task)
            return
    await asyncio.to_thread(saver.put_writes, where, writes, task)


def _config(thread: str, checkpoint: str) -> Any:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint}}


def _task_id(id: str) -> str:
    """Of a form that LangGraph's tasks, whose ids are UUIDs, never have."""
    return f"flowwright-{digest(id)}"


def _loop_of(saver: BaseCheckpointSaver[Any]) -> asyncio.AbstractEventLoop | None:
    """The event loop that a saver lives on; None: it lives on none."""
    loop = getattr(saver, "loop", None)
    return loop if isinstance(loop, asyncio.AbstractEventLoop) else None


def _running() -> asyncio.AbstractEventLoop | object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return _running  # none, and equal to no saver's
