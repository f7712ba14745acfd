"""Every program gets an Execution: what it reported of itself counts only where the process that ran it agrees."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from .bundle import Stage
from .execution import End, Execution
from .inside.codec import decode
from .launch import Launch
from .limits import Limits
from .process import Confined, confined

_Result = tuple[Literal["ok", End], str | None, Any]
_REPORTED: dict[bytes, Literal["ok", "error", "memory", "limit"]] = {
    b"ok": "ok",
    b"error": "error",
    b"memory": "memory",
    b"limit": "limit",
}


async def run_program(launch: Launch, source: str, stdin: str, limits: Limits) -> Execution:
    """Runs `source` in a process of its own."""
    began = time.monotonic()
    async with confined(launch, Stage("program"), limits, stdin) as process:
        try:
            async with asyncio.timeout(limits.seconds):
                status, exception, value = await _result(process, source, limits)
        except TimeoutError:
            status, exception, value = "timeout", f"wall time of {limits.seconds:g} s ran out", None
    return Execution(
        status=status,
        stdout=process.stdout.text,
        stderr=process.stderr.text,
        exception=exception,
        value=value,
        seconds=time.monotonic() - began,
        truncated=process.stdout.truncated or process.stderr.truncated,
    )


async def _result(process: Confined, source: str, limits: Limits) -> _Result:
    await process.give(source)
    report = await process.receive()
    fault = await process.finished(complete=report is not None)
    if fault is not None:
        return *fault, None
    return _parsed(report or b"", limits)


def _parsed(report: bytes, limits: Limits) -> _Result:
    status, exception, value = (*report.split(b"\0", 2), b"", b"")[:3]
    if status not in _REPORTED:
        return "error", "its report cannot be read", None
    if len(value) > limits.output_bytes:
        return "limit", f"the value of solve() is larger than output_kb allows ({limits.output_kb} kB)", None
    try:
        plain = _plain(value)
    except (ValueError, TypeError, RecursionError) as fault:
        return "error", f"the value of solve() cannot be written down: {fault}", None
    return _REPORTED[status], exception.decode("utf-8", "replace") or None, plain


def _plain(value: bytes) -> Any:
    """The value, once it is sure that it can be written as JSON: neither too deep, nor an integer of too many digits,
    nor a key or a character that has no place there. Raises ValueError, TypeError or RecursionError."""
    plain = decode(json.loads(value)) if value else None
    json.dumps(to_jsonable_python(plain, bytes_mode="base64", inf_nan_mode="strings"), ensure_ascii=False).encode()
    return plain
