"""A change is durable when its caller is told so, every caller is told something, and one commit serves all who wait.

One thread owns the only connection that writes. It takes everything that is queued and commits it in one transaction;
while that commits, the next one fills. There is no timer: a lone caller pays one commit, a crowd shares it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import TypeAlias, TypeVar

from .acknowledgement import Outcome, Waiter, wake
from .errors import DatabaseLockedError, ForkedSaverError, SaverClosedError, WriterStoppedError, is_lock

SqlValue: TypeAlias = str | bytes | int | float | None
Statement: TypeAlias = tuple[str, Sequence[tuple[SqlValue, ...]]]
Change: TypeAlias = Sequence[Statement]  # what one caller wants stored: all of it or nothing
Pending: TypeAlias = tuple[Change, Waiter]
_W = TypeVar("_W", bound=Waiter)


class Writer:
    """The queue, its thread and its connection. `commits` and `changes` count what was stored so far."""

    def __init__(self, connection: sqlite3.Connection, name: str, *, capacity: int, busy_timeout: float) -> None:
        """Own `connection` (autocommit mode); at most `capacity` changes are queued, further callers wait."""
        self.commits = 0
        self.changes = 0
        self._connection = connection
        self._name = name
        self._capacity = capacity
        self._busy_timeout = busy_timeout
        self._queue: deque[Pending] = deque()
        self._outside: list[Waiter] = []
        self._ready = threading.Condition()
        self._closed = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name=f"writer of {name}", daemon=True)
        self._thread.start()

    def commit(self, change: Change) -> None:
        """Return when `change` is durable. Raises its own error; other callers' changes are not affected by it."""
        done: Future[None] = Future()
        while room := self._offer(change, done, Future[None]):
            room.result()
        done.result()

    async def acommit(self, change: Change) -> None:
        """As `commit`, without blocking the event loop. Cancelling the wait does not take a queued change back."""
        create = asyncio.get_running_loop().create_future
        done: asyncio.Future[None] = create()
        while room := self._offer(change, done, create):
            await room
        await done

    def close(self) -> None:
        """Commit what is queued, then stop. Callers still waiting for room get SaverClosedError. Twice is once."""
        if os.getpid() != self._process:
            return
        with self._ready:
            self._closed = True
            self._ready.notify()
        if threading.current_thread() is not self._thread:  # a collected saver may be finalized on any thread
            self._thread.join()

    def _offer(self, change: Change, done: _W, create: Callable[[], _W]) -> _W | None:
        """Queue `change`, or return what to wait for before offering it again."""
        if os.getpid() != self._process:
            raise ForkedSaverError(self._name)
        with self._ready:
            if self._closed:
                raise SaverClosedError(self._name)
            if len(self._queue) >= self._capacity:
                room = create()
                self._outside.append(room)
                return room
            self._queue.append((change, done))
            self._ready.notify()
            return None

    def _run(self) -> None:
        batch: list[Pending] = []
        try:
            while batch := self._take():
                wake(self._store(batch))
        finally:
            self._stop(batch)

    def _take(self) -> list[Pending]:
        """Wait for work and take all of it; nothing is returned only when closed and drained."""
        with self._ready:
            while not self._queue and not self._closed:
                self._ready.wait()
            batch = list(self._queue)
            self._queue.clear()
            outside, self._outside = self._outside, []
        wake((waiter, None) for waiter in outside)
        return batch

    def _store(self, batch: Sequence[Pending]) -> list[Outcome]:
        """Commit `batch` at once; if that fails, each half by itself, so that a bad change ends up failing alone."""
        try:
            self._transact(merged(change for change, _ in batch))
        except Exception as error:  # noqa: BLE001 - delivered to the caller it belongs to
            return self._isolate(batch, error)
        self.commits += 1
        self.changes += len(batch)
        return [(waiter, None) for _, waiter in batch]

    def _isolate(self, batch: Sequence[Pending], error: Exception) -> list[Outcome]:
        if isinstance(error, sqlite3.Error) and is_lock(error):
            return [(waiter, DatabaseLockedError(self._name, self._busy_timeout)) for _, waiter in batch]
        if len(batch) == 1:
            return [(batch[0][1], error)]
        middle = len(batch) // 2
        return [*self._store(batch[:middle]), *self._store(batch[middle:])]

    def _transact(self, statements: Iterable[Statement]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, rows in statements:
                self._connection.executemany(sql, rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk makes SQLite roll back by itself
                self._connection.execute("ROLLBACK")
            raise

    def _stop(self, unfinished: list[Pending]) -> None:
        """Whatever ended the thread, nobody is left waiting."""
        with self._ready:
            self._closed = True
            left = [*unfinished, *self._queue]
            self._queue.clear()
            outside, self._outside = self._outside, []
        wake((waiter, WriterStoppedError(self._name)) for _, waiter in left)
        wake((waiter, None) for waiter in outside)
        self._connection.close()


def merged(changes: Iterable[Change]) -> list[Statement]:
    """The statements of all changes in order, neighbours with the same text joined into one."""
    texts: list[str] = []
    rows: list[list[tuple[SqlValue, ...]]] = []
    for change in changes:
        for sql, values in change:
            if not texts or texts[-1] != sql:
                texts.append(sql)
                rows.append([])
            rows[-1].extend(values)
    return list(zip(texts, rows, strict=True))
