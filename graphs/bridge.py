"""Synchronous callers get the same coroutines as asynchronous ones, on one background loop per process, so that
connection pools are shared and `invoke` works inside a running loop (a notebook, a web handler) too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class Bridge:
    """A loop in a daemon thread."""

    def __init__(self) -> None:
        """Start the thread."""
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="flowwright-bridge", daemon=True)
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Result of `work`, with the caller's context variables. An interrupt of the caller cancels the work."""
        if threading.current_thread() is self.thread:
            # Waiting here for the loop would wait for ourselves: a nested synchronous call gets a loop of its own.
            return Bridge().run(work)
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@cache
def bridge() -> Bridge:
    """The process's bridge."""
    return Bridge()
