"""A recorded model's calls stand in the user's own checkpoints, each at the step it was made in, before its node goes
on; nothing else of the user's graph is touched, and nothing that goes wrong here reaches it.

What could not be stored is given to the `sink` alone, or counted as lost and said once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel

from ...errors import UsageError
from ...graphs.call_record import CallRecord
from ...policies.capture import captured, original, taker_of
from ...policies.captured import Captured
from ...policies.resolve import resolve
from ..attach import CALL, aattach, attach
from .foreign_call import call_record, choices_of
from .place import Place, here
from .recent import Key, Recent, Said
from .tool_clock import clock

Sink = Callable[[dict[str, Any]], None]
M = TypeVar("M", bound=BaseChatModel)

_log = logging.getLogger("flowwright.recorder")


@dataclass
class Recording:
    """What became of a model's calls so far, in records."""

    stored: int = 0
    """In checkpoints."""
    sunk: int = 0
    """Given to the sink, stored ones included."""
    lost: int = 0
    """Neither."""
    orphans: int = 0
    """Made outside a task, or in a thread that knows nothing of its task."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why records were not stored."""


def recorded(model: M, *, sink: Sink | None = None) -> M:
    """A copy of a chat model that behaves as it does, and leaves a record of every provider call in the checkpoints of
    the graph that it is called in. `sink` (None: there is none) is also given each record, in the thread of the call.
    Raises UsageError for what is no chat model."""
    if not isinstance(model, BaseChatModel):
        raise UsageError(
            f"{type(model).__name__} is no chat model", fix="Wrap the model itself, before bind_tools and pipes"
        )
    policy = resolve(original(model))
    recorder = Recorder(policy.name, policy.price, sink)
    clock.start()
    made: M = captured(model, recorder)  # type: ignore[assignment]
    return made


def recording(model: BaseChatModel) -> Recording:
    """What became of a recorded model's calls. Raises UsageError for a model that is not recorded."""
    taker = taker_of(model)
    if not isinstance(taker, Recorder):
        raise UsageError(f"this {type(model).__name__} is not recorded", fix="Pass what recorded() returned")
    return taker.counts


class Recorder:
    """Takes the calls of one model. Satisfies `policies.capture.Taker`."""

    def __init__(self, policy: str, price: tuple[float, float] | None, sink: Sink | None) -> None:
        """`policy` is the model's public name, `price` USD per million tokens in and out (None: unknown)."""
        self.policy, self.price, self.sink = policy, price, sink
        self.counts = Recording()
        self._recent = Recent()
        self._lock = Lock()

    def __deepcopy__(self, memo: object) -> Recorder:
        """A copy of the model has the same recorder."""
        return self

    def place(self, run_manager: Any) -> Place:
        """Where the call is about to be made."""
        try:
            return here(run_manager)
        except Exception as error:  # noqa: BLE001 - a graph of a kind that is not known
            return Place(why=f"{type(error).__name__}: {error}")

    def take(self, place: Place, call: Captured) -> None:
        """Store a call that ended."""
        for record, said in self._records(place, call):
            if self.store(place, CALL, dict(record)):
                self._recent.add(_key(place), said)

    async def atake(self, place: Place, call: Captured) -> None:
        """As `take`."""
        for record, said in self._records(place, call):
            try:
                if place.saver is not None:
                    await aattach(place.saver, str(place.thread), str(place.root), CALL, record, record["id"])
                held = self._count(place, dict(record))
            except Exception as error:  # noqa: BLE001 - the user's call goes on as it would without us
                held = self._missed(place, dict(record), error)
            if held:
                self._recent.add(_key(place), said)

    def store(self, place: Place, channel: str, value: dict[str, Any]) -> bool:
        """Attach a record to its step and give it to the sink; whether it can be found where later ones will be."""
        try:
            if place.saver is not None:
                attach(place.saver, str(place.thread), str(place.root), channel, value, value["id"])
            return self._count(place, value)
        except Exception as error:  # noqa: BLE001
            return self._missed(place, value, error)

    def _missed(self, place: Place, value: dict[str, Any], error: Exception) -> bool:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        self._count(replace(place, saver=None, why=why), value)
        return False

    def _records(self, place: Place, call: Captured) -> Iterator[tuple[CallRecord, Said]]:
        """One record a choice; the prompt of a second is told relative to the first. What is said outside a run is
        told by itself: it has nothing to do with what was said there before."""
        clock.expect(self, place, call)
        try:
            said = self._recent.parent(_key(place), call.messages) if place.run else None
            for number in range(len(choices_of(call))):
                record, said = call_record(call, number, place, self.policy, self.price, said)
                yield record, said
        except Exception as error:  # noqa: BLE001
            with self._lock:
                self.counts.lost += 1
            self._say(f"{type(error).__name__}: {error}", "it is lost")

    def _count(self, place: Place, value: dict[str, Any]) -> bool:
        """Give the record to the sink and count what became of it; whether somebody has it."""
        given = self._give(value)
        with self._lock:
            self.counts.stored += place.saver is not None
            self.counts.sunk += given
            self.counts.lost += place.saver is None and not given
            self.counts.orphans += place.orphan
        if place.saver is None:
            self._say(place.why, "only the sink has it" if given else "it is lost: pass recorded(model, sink=...)")
        return given or place.saver is not None

    def _give(self, value: dict[str, Any]) -> bool:
        """Whether there is a sink and it took the record."""
        if self.sink is None:
            return False
        try:
            self.sink(value)
        except Exception as error:  # noqa: BLE001 - the user's call goes on as it would without us
            self._say(f"{type(error).__name__} in the sink", "the sink does not have it")
            return False
        return True

    def _say(self, why: str, so: str) -> None:
        with self._lock:
            self.counts.reasons[why] += 1
            first = self.counts.reasons[why] == 1
        if first:
            _log.warning("a record of %s was not kept as it should be (%s); %s", self.policy, why, so)


def _key(place: Place) -> Key:
    return place.saver is not None, place.run, place.nodes
