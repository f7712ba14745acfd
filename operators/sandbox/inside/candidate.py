"""The code under test can answer calls and nothing else: it shares no process, file or object with the tests that judge
it, and what it says arrives there as plain data. It may lie about its own results: a wrong answer is not a verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType

from .codec import NotPlainError, decode, encode
from .program import describe, load
from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FILE = "<candidate>"


def main(wire: Wire, job: None) -> None:
    """Receives the candidate, loads it, then answers requests until the host hangs up."""
    source = wire.receive()
    if source is None:
        return
    server = Server(source.decode("utf-8", "surrogatepass"))
    while (request := wire.receive()) is not None:
        wire.send(json.dumps(server.answer(json.loads(request))).encode())


class Server:
    """The candidate, and what it has been asked to keep."""

    def __init__(self, source: str) -> None:
        """Loads `source`; that it does not load is the answer to the first request."""
        module = ModuleType("candidate")
        self._names = module.__dict__
        self._iterators: list[Iterator[Any]] = []
        self._fault: str | None = None
        try:
            load(source, module, _FILE)
        except BaseException as fault:  # noqa: BLE001 -- SystemExit at import is a candidate that does not load
            self._fault = describe(fault)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request: for names, for a call, or for the next item of an iterator."""
        if "names" in request:
            offered = {name: _offer(self._names[name]) for name in request["names"] if name in self._names}
            return {"fault": self._fault, "names": {name: offer for name, offer in offered.items() if offer}}
        if "next" in request:
            return self._next(self._iterators[request["next"]])
        return self._call(self._names[request["call"]], request["args"], request["kwargs"])

    def _call(self, function: Any, packed_args: Any, packed_kwargs: Any) -> dict[str, Any]:
        args, kwargs = decode(packed_args), decode(packed_kwargs)
        try:
            answer = self._packed(function(*args, **kwargs))
        except BaseException as fault:  # noqa: BLE001 -- the tests may expect any exception, SystemExit too
            answer = {"raised": _exception(fault)}
        try:
            now_args, now_kwargs = encode(args), encode(kwargs)
        except NotPlainError:
            return answer
        if now_args != packed_args or now_kwargs != packed_kwargs:
            answer |= {"args": now_args, "kwargs": now_kwargs}
        return answer

    def _next(self, iterator: Iterator[Any]) -> dict[str, Any]:
        try:
            return self._packed(next(iterator))
        except StopIteration:
            return {"end": True}
        except BaseException as fault:  # noqa: BLE001 -- as in a call
            return {"raised": _exception(fault)}

    def _packed(self, result: Any) -> dict[str, Any]:
        """An iterator stays here and is asked for its items; anything else must be plain data."""
        if isinstance(result, Iterator):
            self._iterators.append(result)
            return {"iterator": len(self._iterators) - 1}
        return {"result": encode(result)}


def _offer(value: Any) -> dict[str, Any] | None:
    """How a name is offered to the tests: as something to call, as a constant, or (None) not at all."""
    if callable(value):
        return {"call": True}
    try:
        return {"value": encode(value)}
    except NotPlainError:
        return None


def _exception(fault: BaseException) -> dict[str, Any]:
    """The names of its classes, most special first, and its arguments (None: they are not plain data)."""
    try:
        args = encode(fault.args)
    except NotPlainError:
        args = None
    return {"types": [kind.__name__ for kind in type(fault).__mro__], "args": args, "text": describe(fault)}
