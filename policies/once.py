"""A question is put once, whoever asks it at the same time, in any thread or event loop; all get the one answer.

Invariant: an answer is kept, a failure never: all who waited for the failed attempt get its exception, and whoever asks
next puts the question again. An attempt that was cancelled fails nobody else: one of those who waited makes the next.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class _GivenUpError(Exception):
    """The one who asked was cancelled before there was an answer."""


class Once(Generic[T]):
    """Answers by question."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._answers: dict[Hashable, Future[T]] = {}

    def get(self, question: Hashable, find: Callable[[], T]) -> T:
        """The answer, from `find` if nobody has asked yet. Raises what `find` raises."""
        while True:
            answer, first = self._claimed(question)
            if first:
                with self._kept_or_dropped(question, answer):
                    answer.set_result(find())
            try:
                return answer.result()
            except _GivenUpError:
                continue

    async def aget(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """As `get`."""
        while True:
            answer, first = self._claimed(question)
            if first:
                with self._kept_or_dropped(question, answer):
                    answer.set_result(await find())
            try:
                return answer.result() if answer.done() else await asyncio.shield(asyncio.wrap_future(answer))
            except _GivenUpError:
                continue

    def forget(self) -> None:
        """Drops every answer. Those that are being found are still given to those who wait for them."""
        with self._lock:
            self._answers.clear()

    def _claimed(self, question: Hashable) -> tuple[Future[T], bool]:
        """The answer, perhaps to come, and whether the caller has to find it."""
        with self._lock:
            known = self._answers.get(question)
            if known is not None:
                return known, False
            answer = self._answers[question] = Future()
            answer.set_running_or_notify_cancel()  # no waiter can cancel it for the others
            return answer, True

    @contextmanager
    def _kept_or_dropped(self, question: Hashable, answer: Future[T]) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            with self._lock:
                if self._answers.get(question) is answer:
                    del self._answers[question]
            answer.set_exception(error if isinstance(error, Exception) else _GivenUpError())
            raise
