"""What stands in for the candidate among the tests does what a call of the candidate would do, and cannot do more: it
returns plain data, raises a builtin exception, changes the mutable arguments it was given. It cannot end a loop of the
tests by raising StopIteration, nor take the place of a builtin the tests rely on."""

from __future__ import annotations

import builtins
import json
import threading
from collections.abc import Callable
from typing import Any

from .codec import decode, encode
from .wire import Wire

REQUEST = b"q"
"""First byte of a frame the host passes on to the candidate."""

_STEERING = (StopIteration, StopAsyncIteration, GeneratorExit)
_REVIVED = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException) and not issubclass(kind, _STEERING)
}


class CandidateError(RuntimeError):
    """The candidate did what no function could: it sent something that is not an answer."""


class Candidate:
    """The far process, as the tests may use it."""

    def __init__(self, wire: Wire) -> None:
        """Requests go out over `wire`, one at a time."""
        self._wire = wire
        self._lock = threading.Lock()
        self._raised: dict[int, BaseException] = {}

    def raised(self, fault: BaseException) -> bool:
        """Whether this very exception object came from the candidate."""
        return self._raised.get(id(fault)) is fault

    def names(self, wanted: list[str]) -> tuple[str | None, dict[str, Any]]:
        """Why the candidate did not load (None: it did), and those of the wanted names that it offers."""
        answer = self._ask({"names": wanted})
        try:
            fault, offers = answer["fault"], answer["names"]
            return fault, {
                name: self.function(name) if "call" in offers[name] else decode(offers[name]["value"])
                for name in wanted
                if name in offers
            }
        except (LookupError, TypeError, ValueError) as fault:
            return f"the candidate did not tell its names: {fault}", {}

    def function(self, name: str) -> Callable[..., Any]:
        """A function that calls the candidate's function of that name."""

        def proxy(*args: Any, **kwargs: Any) -> Any:
            answer = self._ask({"call": name, "args": encode(args), "kwargs": encode(kwargs)})
            try:
                for given, key in ((args, "args"), (kwargs, "kwargs")):
                    if key in answer:
                        reflect(given, decode(answer[key]))
                if "result" in answer:
                    return decode(answer["result"])
                fault = revive(answer["raised"])
            except (LookupError, TypeError, ValueError) as broken:
                fault = CandidateError(f"not an answer: {broken}")
            raise self._from_candidate(fault)

        proxy.__name__ = proxy.__qualname__ = name
        return proxy

    def _ask(self, request: dict[str, Any]) -> Any:
        with self._lock:
            self._wire.send(REQUEST + json.dumps(request).encode())
            answer = self._wire.receive()
        if answer is None:
            raise SystemExit("the host went away")
        try:
            return json.loads(answer)
        except (ValueError, RecursionError) as broken:
            raise self._from_candidate(CandidateError(f"not an answer: {broken}")) from None

    def _from_candidate(self, fault: BaseException) -> BaseException:
        self._raised[id(fault)] = fault
        return fault


def reflect(given: Any, changed: Any) -> None:
    """Makes `given` look like `changed` by changing only what is mutable in it, each object in its place."""
    if isinstance(given, list):
        given[:] = [_merged(given[at], item) if at < len(given) else item for at, item in enumerate(changed)]
    elif isinstance(given, dict):
        merged = {key: _merged(given[key], item) if key in given else item for key, item in changed.items()}
        given.clear()
        given.update(merged)
    elif isinstance(given, set):
        given.clear()
        given.update(changed)
    elif isinstance(given, bytearray):
        given[:] = changed
    elif isinstance(given, tuple):
        for mine, theirs in zip(given, changed, strict=True):
            _merged(mine, theirs)


def revive(raised: dict[str, Any]) -> BaseException:
    """The exception as the first of its classes that is a builtin and takes its arguments."""
    args = () if raised["args"] is None else decode(raised["args"])
    text = str(raised["text"])
    if any(name in (kind.__name__ for kind in _STEERING) for name in raised["types"]):
        return RuntimeError(f"the candidate raised {text}")
    own = raised["types"][0] in _REVIVED
    for name in raised["types"]:
        if name in _REVIVED:
            try:
                return _REVIVED[name](*args) if own and raised["args"] is not None else _REVIVED[name](text)
            except TypeError:
                own = False
    return CandidateError(text)


def _merged(mine: Any, theirs: Any) -> Any:
    """`mine`, changed to equal `theirs` where its type allows that, else `theirs`."""
    if type(mine) is not type(theirs) or (isinstance(mine, tuple) and len(mine) != len(theirs)):
        return theirs
    reflect(mine, theirs)
    return mine if mine == theirs else theirs
