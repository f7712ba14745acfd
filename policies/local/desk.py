"""Requests go in at any thread and come out at one. Nobody is left waiting: what is still here when the desk closes is
refused."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

from ..faults import ProviderError
from .request import Request, Sampled

Waiting = tuple[Request, "Future[Sampled]"]


class Desk:
    """A queue that can be closed."""

    def __init__(self, name: str) -> None:
        """`name` is said in errors."""
        self.name = name
        self._queue: deque[Waiting] = deque()
        self._ready = threading.Condition()
        self._closed = False

    def put(self, request: Request) -> Future[Sampled]:
        """The reply to be. Cancelling it takes the request back. Raises ProviderError when closed."""
        reply: Future[Sampled] = Future()
        with self._ready:
            if self._closed:
                raise self.refusal()
            self._queue.append((request, reply))
            self._ready.notify()
        return reply

    def take(self, *, wait: bool) -> list[Waiting] | None:
        """All that came since the last time; `wait`: at least one. None when closed."""
        with self._ready:
            while wait and not self._queue and not self._closed:
                self._ready.wait()
            taken = list(self._queue)
            self._queue.clear()
            if not self._closed:
                return taken
        refuse([reply for _, reply in taken], self.refusal())
        return None

    def close(self) -> None:
        """Refuse whatever comes from now on. A finalizer may call it at any point: the lock is reentrant."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def refusal(self) -> ProviderError:
        """What callers are told once it is closed."""
        return ProviderError(f"{self.name} has been closed", code="connection")


def refuse(replies: list[Future[Sampled]], error: Exception) -> None:
    """Give `error` to all who still wait."""
    for reply in replies:
        if not reply.done() and reply.set_running_or_notify_cancel():
            reply.set_exception(error)
