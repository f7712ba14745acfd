"""A caller is woken once, where it waits: on its own thread or its own event loop. One that has gone holds up nobody.

A waiter is a future of either kind. All waiters of one loop are settled by a single `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeAlias

Waiter: TypeAlias = "asyncio.Future[None] | concurrent.futures.Future[None]"
Outcome: TypeAlias = "tuple[Waiter, Exception | None]"  # None: it went well


def wake(outcomes: Iterable[Outcome]) -> None:
    """Settle every waiter with its outcome; may be called from any thread."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[Outcome]] = {}
    for waiter, error in outcomes:
        loop = waiter.get_loop() if isinstance(waiter, asyncio.Future) else None
        by_loop.setdefault(loop, []).append((waiter, error))
    for loop, group in by_loop.items():
        if loop is None:
            _settle(group)
            continue
        with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, group)


def _settle(outcomes: list[Outcome]) -> None:
    for waiter, error in outcomes:
        if waiter.done():  # cancelled by its caller
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
