"""Tools that run in a recorded graph are timed, each with the id of the call that a model made of it, whoever runs
them: a prebuilt agent, a node by hand, several at once.

One callback handler serves the process; LangChain asks it wherever a tool runs, in any thread or task. Runs of tools
that belong to no recorded graph are let pass.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from ...graphs.tool_record import ToolRecord
from ...policies.captured import Captured
from ..attach import TOOL
from .place import Place, here

if TYPE_CHECKING:
    from .recorder import Recorder

_KNOWN: Final = 4096
"""Runs and tool calls that are remembered."""


@dataclass(frozen=True)
class _Started:
    """A tool that runs."""

    recorder: Recorder
    place: Place
    tool: str
    call: str | None
    began: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.perf_counter)


class ToolClock(BaseCallbackHandler):
    """Notes when tools of recorded graphs start and end."""

    run_inline = True  # in the context of the tool's task, in order
    ignore_chain = ignore_llm = ignore_chat_model = ignore_retriever = ignore_retry = ignore_custom_event = True

    def __init__(self) -> None:
        """Knows no recorder."""
        self._lock = Lock()
        self._listens = False
        self._known: OrderedDict[Hashable, Recorder] = OrderedDict()
        self._started: dict[UUID, _Started] = {}

    def start(self) -> None:
        """Listen from now on."""
        if not self._listens:
            register_configure_hook(_clock, inheritable=True)
        self._listens = True

    def expect(self, recorder: Recorder, place: Place, call: Captured) -> None:
        """A model of `recorder` has spoken: tools of that run are its business; of a run without a name the tools that
        it called."""
        asked = [one.get("id") for choice in call.choices for one in (choice.message or {}).get("tool_calls", [])]
        with self._lock:
            for key in [_key(place)] if place.run else asked:
                self._known[key] = recorder
                self._known.move_to_end(key)
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    def on_tool_start(
        self, serialized: dict[str, Any], input_str: str, *, run_id: UUID, tool_call_id: str | None = None, **more: Any
    ) -> None:
        """A tool begins."""
        place = here()
        recorder = self._recorder(place, tool_call_id)
        if recorder is not None:
            self._started[run_id] = _Started(recorder, place, serialized.get("name", ""), tool_call_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, **more: Any) -> None:
        """A tool has answered."""
        failed = getattr(output, "status", None) == "error"
        self._ended(run_id, " ".join(str(output.content).split())[:200] if failed else None)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """A tool has raised."""
        self._ended(run_id, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")

    def _recorder(self, place: Place, call: str | None) -> Recorder | None:
        if place.orphan:
            return None
        with self._lock:
            return self._known.get(_key(place) if place.run else call)

    def _ended(self, run_id: UUID, error: str | None) -> None:
        started = self._started.pop(run_id, None)
        if started is None:
            return
        place = started.place
        record = ToolRecord(
            id=f"{place.run}/{place.namespace}/tool/{run_id.hex}", run=place.run, turn=place.step, role=place.node,
            place=place.branch, checkpoint=place.checkpoint, namespace=place.namespace, task=place.task,
            attempt=place.attempt, tool=started.tool, call=started.call, began=started.began,
            seconds=time.perf_counter() - started.clock, error=error,
        )  # fmt: skip
        started.recorder.store(place, TOOL, dict(record))


def _key(place: Place) -> Hashable:
    """Of a run: threads of several stores may have one name."""
    return place.run, id(place.saver)


clock: Final = ToolClock()
_clock: ContextVar[ToolClock | None] = ContextVar("flowwright_tool_clock", default=clock)
