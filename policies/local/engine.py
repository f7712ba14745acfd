"""One engine for each set of weights: a daemon thread that ends when nobody holds the engine any more, or with the
process, and that starts with the first call."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from ...errors import UsageError
from .desk import Desk
from .request import Request, Sampled
from .server import Limits, serve
from .weights import Loaded

PATIENCE: Final = 10.0
"""Seconds that the end of the process waits for the step under way: a thread inside torch must not outlive it."""
_alive: weakref.WeakSet[Engine]


class Engine:
    """Takes requests, from any thread or event loop, and gives each a future."""

    def __init__(self, name: str, load: Callable[[], Loaded], limits: Limits) -> None:
        """Loads nothing yet. `load` must not hold the engine."""
        self.name = name
        self._desk = Desk(name)
        self._thread = threading.Thread(
            target=serve, args=(self._desk, load, limits), name=f"engine of {name}", daemon=True
        )
        self._started = False
        self._starting = threading.Lock()
        self._process = os.getpid()
        weakref.finalize(self, self._desk.close).atexit = False
        _alive.add(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Engine:
        """Weights are shared by copies of what holds them."""
        return self

    def submit(self, request: Request) -> Future[Sampled]:
        """The reply to be; cancelling it drops the row. It raises ProviderError, UsageError when the weights cannot be
        had."""
        if os.getpid() != self._process:
            raise UsageError(f"{self.name} was opened before a fork", fix="Open it in the process that calls it")
        with self._starting:
            if not self._started:
                self._thread.start()
                self._started = True
        return self._desk.put(request)

    def end(self) -> None:
        """Refuse what waits and wait for the step under way."""
        if os.getpid() != self._process:
            return
        self._desk.close()
        if self._started:
            self._thread.join(PATIENCE)


_alive = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    for engine in list(_alive):
        engine.end()
