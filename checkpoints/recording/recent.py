"""What was said last in a thread at a node, so that the next prompt there is told as what it adds: a tool loop of T
turns is stored in size T, whatever its graph keeps of it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeAlias

from ...graphs.call_record import Message
from ...graphs.prompt_delta import Spoken, shared

Key: TypeAlias = tuple[bool, str, tuple[str, ...]]
"""Whether it is stored with its thread, the run, and the path of nodes without the ids of their tasks."""

_PLACES: Final = 128
_CALLS: Final = 8


@dataclass(frozen=True)
class Said:
    """A call that later ones may be told relative to."""

    spoken: Spoken
    digests: Mapping[str, str]
    """Of the definitions it was sent with."""


class Recent:
    """The last calls of the places that were busy last."""

    def __init__(self) -> None:
        """Nothing was said."""
        self._lock = Lock()
        self._said: OrderedDict[Key, deque[Said]] = OrderedDict()

    def parent(self, key: Key, messages: list[Message]) -> Said | None:
        """The call that a prompt has most messages in common with, the later one of equals; None: none begins alike."""
        with self._lock:
            known = [*self._said.get(key, ())]
        best = max(known, key=lambda one: shared(messages, one.spoken.conversation), default=None)
        return best if best and shared(messages, best.spoken.conversation) else None

    def add(self, key: Key, said: Said) -> None:
        """A call that is stored, and will be found where its children are."""
        with self._lock:
            self._said.setdefault(key, deque(maxlen=_CALLS)).appendleft(said)
            self._said.move_to_end(key)
            while len(self._said) > _PLACES:
                self._said.popitem(last=False)
