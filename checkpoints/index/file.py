"""An index file is opened only if it is one, and is never left between two states: what is written to it is written in
transactions that begin with the write lock, so that two indexers wait for one another and a reader for nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from sqlite_utils import Database
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from ...errors import UsageError
from ..database import connect
from ..errors import DatabaseLockedError, is_lock, primary_code
from .schema import FORMAT, make_tables, mark

_DAMAGED: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_CACHE: Final = 16_384
"""KiB of pages that an indexer holds: what is indexed by other things than the thread is written all over the file."""
_Result = TypeVar("_Result")


def index_path(store: Path) -> Path:
    """Where the index of a store of runs is: `runs.index.db` beside `runs.db`."""
    return store.with_name(f"{store.stem}.index{store.suffix or '.db'}")


class IndexFile:
    """One open index. Use it in a `with` block, by one thread at a time."""

    def __init__(self, path: Path, *, write: bool, anew: bool = False, busy_timeout: float = 30.0) -> None:
        """Open `path`; `write` makes the file and its tables where they are missing, `anew` empties it. `busy_timeout`
        (seconds) bounds each wait for another process. Raises UsageError for a file that is not there, no index, of a
        newer format or damaged; such a file is left as it is."""
        self.path, self._busy_timeout = path.absolute(), busy_timeout
        if not self.path.exists() and not write:
            raise UsageError(f"there is no run index {self.path}", fix="`flowwright index` makes one")
        if not self.path.parent.is_dir():
            raise UsageError(f"there is no directory {self.path.parent}", fix="Create it first")
        with self.explained():
            self.database = self._patiently(lambda: self._open(write=write, anew=anew))

    def __enter__(self) -> IndexFile:
        """The file itself; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.database.close()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One transaction that has the write lock from its beginning. All of it is stored, or none."""
        self._patiently(lambda: self.database.conn.execute("BEGIN IMMEDIATE"))
        try:
            yield self.database
            self.database.conn.execute("COMMIT")
        except BaseException:
            if self.database.conn.in_transaction:
                self.database.conn.execute("ROLLBACK")
            raise

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What SQLite complains of, in one line that names the file and the way out."""
        try:
            yield
        except sqlite3.Error as error:
            if is_lock(error):
                raise DatabaseLockedError(str(self.path), self._busy_timeout) from error
            if primary_code(error) in _DAMAGED:
                raise UsageError(
                    f"{self.path} is not a run index, or a damaged one, and was left as it is",
                    fix="Delete it if it was an index: `flowwright index` builds it again",
                ) from error
            raise UsageError(
                f"{self.path} cannot be used as a run index ({error})",
                fix="Delete it if it was an index: `flowwright index` builds it again",
            ) from error

    def _open(self, *, write: bool, anew: bool) -> Database:
        if self.path.exists():
            _inspect(self.path, self._busy_timeout)
        connection = connect(self.path, "rwc" if write else "rw", self._busy_timeout, query_only=not write)
        try:
            if write:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")  # derived: a power cut may take the last commits
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA temp_store = FILE")
                connection.execute(f"PRAGMA cache_size = -{_CACHE}")
            database = Database(connection, recursive_triggers=False, execute_plugins=False)
            if write:
                self._make(database, anew=anew)
        except BaseException:
            connection.close()
            raise
        return database

    def _make(self, database: Database, *, anew: bool) -> None:
        database.conn.execute("BEGIN IMMEDIATE")
        try:
            written = mark(database.conn, str(self.path))
            if anew or written != FORMAT:
                make_tables(database, anew=anew or written is not None)
            database.conn.execute("COMMIT")
        except BaseException:
            if database.conn.in_transaction:
                database.conn.execute("ROLLBACK")
            raise

    def _patiently(self, work: Callable[[], _Result]) -> _Result:
        """SQLite does not always wait for a lock by itself: not to switch its log, nor where a wait could be for
        ever."""
        patient = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, sqlite3.Error) and is_lock(error)),
            stop=stop_after_delay(self._busy_timeout),
            wait=wait_random(0, 0.05),
            reraise=True,
        )
        return patient(work)


def _inspect(path: Path, busy_timeout: float) -> None:
    """Look, without writing a byte."""
    if not path.is_file():
        raise UsageError(f"{path} is not a regular file", fix="Name another file for the index")
    logged = path.with_name(f"{path.name}-wal").exists()  # see `Database._inspect`
    connection = connect(path, "ro" if logged else "rw", busy_timeout, query_only=True)
    try:
        mark(connection, str(path))
    finally:
        connection.close()
