"""Whatever a tool raises becomes one fault that says whether the same call may succeed later. This is the one place
where foreign exceptions are caught: nothing but LangGraph's own signals and the end of the task passes it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp

from ..outcome import ToolFault
from .names import one_line

Result = TypeVar("Result")
LONGEST: Final = 600
"""Characters of a foreign message that are passed on."""
BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that another attempt may not meet."""
PASSING: Final = (
    ("httpx", "TransportError"),
    ("httpx2", "TransportError"),
    ("requests", "ConnectionError"),
    ("requests", "Timeout"),
    ("aiohttp", "ClientConnectionError"),
    ("anyio", "BrokenResourceError"),
    ("anyio", "ClosedResourceError"),
)
"""Lost connections and time-outs of libraries that tools use, whose errors are not all of Python's own classes."""


async def guarded(tool: str, timeout: float, work: Callable[[], Awaitable[Result]]) -> Result:
    """What `work` gives within `timeout` seconds. Raises ToolFault for whatever goes wrong in it.

    Passed on: GraphBubbleUp (an interrupt asks a person, it is no failure), cancellation, and KeyboardInterrupt.
    SystemExit out of a tool's thread is the tool's failure; out of a coroutine asyncio lets nobody catch it.
    """
    try:
        async with asyncio.timeout(timeout) as limit:
            return await work()
    except (GraphBubbleUp, ToolFault):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, TimeoutError) and limit.expired():
            fix = "Ask for less, or call it again later"
            raise ToolFault(f"{tool} gave no result within {timeout:g} s", retryable=True, fix=fix) from error
        raise fault_of(tool, error) from error


def fault_of(tool: str, error: BaseException) -> ToolFault:
    """The fault that tells of `error`."""
    told = "; ".join(dict.fromkeys(_told(leaf) for leaf in leaves(error)))
    return ToolFault(f"{tool} failed: {one_line(told, LONGEST)}", retryable=may_pass(error))


def leaves(error: BaseException) -> list[BaseException]:
    """What an exception group holds, groups in groups opened; `error` itself if it is none."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves(one)]
    return [error]


def may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed later: time-outs, lost connections, busy servers, and whatever says of itself
    that it is `retryable`."""
    return all(_may_pass(leaf) for leaf in leaves(error))


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, TimeoutError | ConnectionError) or getattr(error, "retryable", None) is True:
        return True
    status = getattr(getattr(error, "response", None), "status_code", None)
    return (isinstance(status, int) and status in BUSY) or isinstance(error, _passing())


def _passing() -> tuple[type[BaseException], ...]:
    """The classes named in PASSING; of a library that nobody has imported no error can come."""
    loaded = [getattr(sys.modules.get(module), name, None) for module, name in PASSING]
    return tuple(found for found in loaded if isinstance(found, type) and issubclass(found, BaseException))


def _told(error: BaseException) -> str:
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 -- a foreign class may fail at this too; its name remains
        text = ""
    if isinstance(error, ToolException) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
