"""The code under test can answer calls and nothing else: it shares no process, file or object with the tests that judge
it, and what it says arrives there as plain data. It may lie about its own results; that is a wrong answer, no verdict."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from .codec import NotPlainError, decode, encode
from .program import describe, load
from .wire import Wire

_FILE = "<candidate>"


def main(wire: Wire, job: None) -> None:
    """Receives the candidate, loads it, then answers requests until the host hangs up."""
    source = wire.receive()
    if source is None:
        return
    module = ModuleType("candidate")
    fault = _load(source.decode("utf-8", "surrogatepass"), module)
    while (request := wire.receive()) is not None:
        wire.send(json.dumps(_answer(module.__dict__, fault, json.loads(request))).encode())


def _load(source: str, module: ModuleType) -> str | None:
    try:
        load(source, module, _FILE)
    except BaseException as fault:  # noqa: BLE001 -- SystemExit at import is a candidate that does not load
        return describe(fault)
    return None


def _answer(names: dict[str, Any], fault: str | None, request: dict[str, Any]) -> dict[str, Any]:
    if "names" in request:
        offered = {name: _offer(names[name]) for name in request["names"] if name in names}
        return {"fault": fault, "names": {name: offer for name, offer in offered.items() if offer is not None}}
    return _call(names[request["call"]], request["args"], request["kwargs"])


def _offer(value: Any) -> dict[str, Any] | None:
    """How a name is offered to the tests: as something to call, as a constant, or (None) not at all."""
    if callable(value):
        return {"call": True}
    try:
        return {"value": encode(value)}
    except NotPlainError:
        return None


def _call(function: Any, packed_args: Any, packed_kwargs: Any) -> dict[str, Any]:
    args, kwargs = decode(packed_args), decode(packed_kwargs)
    answer: dict[str, Any]
    try:
        answer = {"result": encode(function(*args, **kwargs))}
    except BaseException as fault:  # noqa: BLE001 -- the tests may expect any exception, SystemExit too
        answer = {"raised": _exception(fault)}
    try:
        now_args, now_kwargs = encode(args), encode(kwargs)
    except NotPlainError:
        return answer
    if now_args != packed_args or now_kwargs != packed_kwargs:
        answer |= {"args": now_args, "kwargs": now_kwargs}
    return answer


def _exception(fault: BaseException) -> dict[str, Any]:
    """The names of its classes, most special first, and its arguments (None: they are not plain data)."""
    try:
        args = encode(fault.args)
    except NotPlainError:
        args = None
    return {"types": [kind.__name__ for kind in type(fault).__mro__], "args": args, "text": describe(fault)}
