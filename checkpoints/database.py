"""A file is looked at read-only before it is opened for writing: what is not ours stays byte for byte as it was.

SQLite does every access. Opening and closing the file by other means would drop the locks this process holds on it.
"""

from __future__ import annotations

import sqlite3
import stat
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from ..errors import UsageError
from .errors import DatabaseLockedError, is_lock, primary_code
from .readers import Readers
from .schema import ADD_TASK_PATH, DDL, PAGE_SIZE, columns, origin
from .writer import Writer

_WAL_LIMIT = 64 * 2**20  # bytes that the write-ahead log may keep on disk after a burst


class Database:
    """One file: the writer, the readers, and the end of both. Shared by the clones that LangGraph makes of a saver."""

    def __init__(self, path: Path, *, create: bool, busy_timeout: float, capacity: int) -> None:
        """Open or create `path`; `busy_timeout` in seconds. Raises UsageError for a file that cannot be used."""
        self.path = path.absolute()  # readers open it again later, when the working directory may have changed
        self._busy_timeout = busy_timeout
        _check_place(self.path, create=create)
        # Two processes that create one file at once: SQLite refuses to switch its log without waiting for the other.
        patient = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, sqlite3.Error) and is_lock(error)),
            stop=stop_after_delay(busy_timeout),
            wait=wait_random(0, 0.05),
            reraise=True,
        )
        with self._explained():
            connection = patient(self._open, create)
        self.writer = Writer(connection, str(self.path), capacity=capacity, busy_timeout=busy_timeout)
        # Nothing here may refer to this object: the finalizer keeps writer and readers, and would keep it too.
        read = partial(connect, self.path, "rw", busy_timeout, query_only=True)
        self.readers = Readers(read, str(self.path))
        self.reader = read()  # what LangGraph's saver shows as its `conn`
        self._finalizer = weakref.finalize(self, _close, self.writer, self.readers, self.reader)

    def close(self) -> None:
        """Commit what is queued, then close all connections. May be called twice."""
        self._finalizer()

    def _open(self, create: bool) -> sqlite3.Connection:
        if self.path.exists():
            self._inspect(create=create)
        connection = connect(self.path, "rwc" if create else "rw", self._busy_timeout)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _inspect(self, *, create: bool) -> None:
        # The last connection to close folds a log that a killed process left into the file, unless it is read-only;
        # a read-only one leaves a log of its own behind where there was none.
        logged = self.path.with_name(f"{self.path.name}-wal").exists()
        with closing(connect(self.path, "ro" if logged else "rw", self._busy_timeout, query_only=True)) as connection:
            if origin(connection, str(self.path)) == "empty" and not create:
                raise UsageError(f"{self.path} holds no runs", fix="Name the file that a run was written to")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables and marks where they are missing, all or none, and set how commits become durable."""
        if origin(connection, str(self.path)) != "ours":
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # of a new file; an existing one keeps its own
            connection.execute("BEGIN IMMEDIATE")
            for statement in DDL:
                connection.execute(statement)
            if "task_path" not in columns(connection, "writes"):
                connection.execute(ADD_TASK_PATH)
            connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if is_lock(error):
                raise DatabaseLockedError(str(self.path), self._busy_timeout) from error
            if primary_code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise UsageError(
                    f"{self.path} is not a SQLite database, or a damaged one, and was left as it is",
                    fix="Name another file",
                ) from error
            raise UsageError(
                f"{self.path} cannot be opened ({error})", fix="Name a file in a directory that you may write to"
            ) from error


def connect(path: Path, mode: str, busy_timeout: float, *, query_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode that any thread may use; `mode` is SQLite's `ro`, `rw` or `rwc`."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA trusted_schema = OFF")  # what the file defines may not call what it likes
    connection.execute(f"PRAGMA query_only = {query_only:d}")
    return connection


def _check_place(path: Path, *, create: bool) -> None:
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        if not create:
            raise UsageError(f"there is no file {path}", fix="Name the file that a run was written to") from None
        if not path.parent.is_dir():
            raise UsageError(f"there is no directory {path.parent}", fix="Create it first") from None
        return
    except OSError as error:
        raise UsageError(f"{path} cannot be opened ({error.strerror})", fix="Name another file") from error
    if not stat.S_ISREG(kind):
        raise UsageError(f"{path} is not a regular file", fix="Name a file, not a directory or a device")


def _close(writer: Writer, readers: Readers, reader: sqlite3.Connection) -> None:
    writer.close()
    readers.close()
    reader.close()
