"""A file is looked at read-only before it is opened for writing: what is not ours stays byte for byte as it was.

SQLite does every access. Opening and closing the file by other means would drop the locks this process holds on it.
"""

from __future__ import annotations

import sqlite3
import stat
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import UsageError
from .errors import DatabaseLockedError, is_lock, primary_code
from .readers import Readers
from .schema import ADD_TASK_PATH, DDL, columns, origin
from .writer import Writer

_WAL_LIMIT = 64 * 2**20  # bytes that the write-ahead log may keep on disk after a burst


class Database:
    """One file: the writer, the readers, and the end of both. Shared by the clones that LangGraph makes of a saver."""

    def __init__(self, path: Path, *, create: bool, busy_timeout: float, capacity: int) -> None:
        """Open or create `path`; `busy_timeout` in seconds. Raises UsageError for a file that cannot be used."""
        self.path = path.absolute()  # readers open it again later, when the working directory may have changed
        self._busy_timeout = busy_timeout
        _check_place(self.path, create=create)
        with self._explained():
            if self.path.exists():
                self._inspect(create=create)
            connection = self._connect(create=create)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self.writer = Writer(connection, str(self.path), capacity=capacity, busy_timeout=busy_timeout)
        self.reader = self._connect_reader()  # for what LangGraph's own saver reads through its `conn`
        self.readers = Readers(self._connect_reader, str(self.path))
        self._finalizer = weakref.finalize(self, _close, self.writer, self.readers, self.reader)

    def close(self) -> None:
        """Commit what is queued, then close all connections. May be called twice."""
        self._finalizer()

    def _connect_reader(self) -> sqlite3.Connection:
        """A connection that refuses to write."""
        connection = self._connect(create=False)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self, *, create: bool) -> sqlite3.Connection:
        connection = self._open("rwc" if create else "rw")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _inspect(self, *, create: bool) -> None:
        # A read-only connection leaves side files behind unless told that nothing changes: true where there are none.
        beside = any(self.path.with_name(self.path.name + end).exists() for end in ("-wal", "-journal"))
        with closing(self._open("ro" if beside else "ro&immutable=1")) as connection:
            if origin(connection, str(self.path)) == "empty" and not create:
                raise UsageError(f"{self.path} holds no runs", fix="Name the file that a run was written to")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables and marks where they are missing, all or none, and set how commits become durable."""
        if origin(connection, str(self.path)) != "ours":
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
