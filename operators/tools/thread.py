"""Work that blocks runs in a thread of its own: neither an event loop nor the pool that others share waits for it, and
one that never ends holds up nothing but itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import Final, TypeVar

Result = TypeVar("Result")
NAME: Final = "flowwright-tool"


async def in_thread(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises, in a copy of the caller's context. When the wait is cancelled the thread goes on
    to its end, which nobody sees; it does not keep the process alive."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    result: Future[Result] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- raised again where it is waited for
            result.set_exception(error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    Thread(target=copy_context().run, args=(run,), name=NAME, daemon=True).start()
    await ended.wait()
    return result.result()
