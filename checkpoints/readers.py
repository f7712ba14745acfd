"""A read sees one consistent state of the file, every acknowledged write in it, and never waits for the writer.

Each reader borrows a connection of its own for as long as it reads, so a listing that is iterated slowly holds up no
other read. Connections may move between threads, never be used by two at a time.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from .errors import ForkedSaverError, SaverClosedError


class Readers:
    """Connections for reading: as many as there are readers at a time, of which `idle` are kept between reads."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], name: str, *, idle: int = 4) -> None:
        """`connect` opens one connection in autocommit mode; `name` is the file, for messages."""
        self._connect = connect
        self._name = name
        self._idle = idle
        self._free: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Cursor]:
        """A cursor inside one read transaction."""
        connection = self._borrow()
        try:
            connection.execute("BEGIN")
            with closing(connection.cursor()) as cursor:
                yield cursor
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close what is idle now and what is still borrowed as it comes back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _borrow(self) -> sqlite3.Connection:
        if os.getpid() != self._process:
            raise ForkedSaverError(self._name)
        with self._lock:
            if self._closed:
                raise SaverClosedError(self._name)
            if self._free:
                return self._free.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._lock:
            if not self._closed and len(self._free) < self._idle:
                self._free.append(connection)
                return
        connection.close()
