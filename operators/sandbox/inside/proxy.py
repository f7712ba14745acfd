"""What stands in for the candidate among the tests does what a call of the candidate would do, and cannot do more: it
returns plain data, raises a builtin exception, changes the mutable arguments it was given. It cannot end a loop of the
tests by raising StopIteration, nor take the place of a builtin the tests rely on."""

from __future__ import annotations

import builtins
import json
import threading

from .assertions import InconclusiveError
from .codec import NotPlainError, decode, encode
from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

REQUEST = b"q"
"""First byte of a frame the host passes on to the candidate."""

_STEERING = {"StopIteration", "StopAsyncIteration", "GeneratorExit"}
_REVIVED = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException) and name not in _STEERING
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
            answer = self._ask({"call": name, "args": _carried(args), "kwargs": _carried(kwargs)})
            try:
                for given, key in ((args, "args"), (kwargs, "kwargs")):
                    if key in answer:
                        reflect(given, decode(answer[key]))
            except (LookupError, TypeError, ValueError) as broken:
                raise self._from_candidate(CandidateError(f"not an answer: {broken}")) from None
            return self._result(answer)

        proxy.__name__ = proxy.__qualname__ = name
        return proxy

    def items(self, number: int) -> Iterator[Any]:
        """The items of an iterator that the candidate keeps, each fetched when it is asked for."""
        while True:
            answer = self._ask({"next": number})
            if answer == {"end": True}:
                return
            yield self._result(answer)

    def _result(self, answer: Any) -> Any:
        """What the answer returns. Raises what the candidate raised."""
        try:
            if "iterator" in answer:
                return self.items(int(answer["iterator"]))
            if "result" in answer:
                return decode(answer["result"])
            fault = revive(answer["raised"])
        except (LookupError, TypeError, ValueError) as broken:
            fault = CandidateError(f"not an answer: {broken}")
        raise self._from_candidate(fault)

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
    """The exception with its own arguments where its class is a builtin, else the first builtin it extends."""
    types, text = raised["types"], str(raised["text"])
    if _STEERING & set(types):
        return RuntimeError(f"the candidate raised {text}")
    own = types[0] in _REVIVED and raised["args"] is not None
    for kind in (_REVIVED[name] for name in types if name in _REVIVED):
        try:
            return kind(*decode(raised["args"])) if own else kind(text)
        except TypeError:
            own = False
    return CandidateError(text)


def _carried(value: Any) -> Any:
    try:
        return encode(value)
    except NotPlainError as fault:
        raise InconclusiveError(f"the tests pass an argument that is not plain data: {fault}") from None


def _merged(mine: Any, theirs: Any) -> Any:
    """`mine`, changed to equal `theirs` where its type allows that, else `theirs`."""
    if type(mine) is not type(theirs) or (isinstance(mine, tuple) and len(mine) != len(theirs)):
        return theirs
    reflect(mine, theirs)
    return mine if mine == theirs else theirs
