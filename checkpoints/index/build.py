"""A run index says what a store of runs says, in tables that can be asked anything, and nothing else: it is read off
the checkpoints thread by thread, can be deleted at any time, and comes back as it was.

Each thread is read and stored under the write lock of the index, so what is stored never grows older, whoever indexes
at the same time; and a thread's rows change in one transaction, so a reader sees whole runs whatever happens.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from sqlite_utils import Database

from ...errors import UsageError
from .file import IndexFile
from .stamps import stamps
from .thread import forget, renew

_ROWS: Final = 5_000
_SECONDS: Final = 0.1
"""A transaction ends when it has so many rows or has taken so long, after a whole thread."""
Listener = Callable[[int, int], None]
"""Hears how many of how many changed threads have been read."""


@dataclass
class IndexReport:
    """What one indexing did. `threads == read + unchanged`."""

    path: str
    threads: int = 0
    """In the store when it began."""
    read: int = 0
    """New or changed since they were indexed."""
    unchanged: int = 0
    removed: int = 0
    """In the index, but in the store no more."""
    runs: int = 0
    """In the index now."""
    written: Counter[str] = field(default_factory=Counter)
    """Rows by table."""
    damaged: dict[str, str] = field(default_factory=dict)
    """What is wrong with threads that could not be read, by thread."""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """All of it, JSON-native."""
        return asdict(self) | {"written": dict(sorted(self.written.items()))}


def build_index(
    saver: BaseCheckpointSaver[Any],
    path: str | Path,
    *,
    rebuild: bool = False,
    busy_timeout: float = 30.0,
    listener: Listener | None = None,
) -> IndexReport:
    """Make the index of all runs of `saver` at `path`, or bring it up to date: threads that changed are read again.

    `rebuild` reads all of them, into empty tables. Runs may be written, and other indexers be at work, meanwhile; what
    the store held when this was called is in the index when it returns. `busy_timeout` (seconds) bounds each wait for
    another indexer. Raises UsageError for a file that is no index, for a newer format, and for a damaged file."""
    began = time.monotonic()
    with IndexFile(Path(path), write=True, anew=rebuild, busy_timeout=busy_timeout) as file, file.explained():
        report = IndexReport(str(file.path))
        changed = _compare(file, saver, report)
        for done in _read(file, saver, changed, report):
            if listener is not None:
                listener(done, len(changed))
        report.runs = file.database["runs"].count
        report.damaged = dict(
            file.database.execute("SELECT thread, problem FROM threads WHERE problem IS NOT NULL ORDER BY thread")
        )
        report.seconds = round(time.monotonic() - began, 6)
        with file.writing() as database:
            _note(database, "index", "last", report.as_json())
    return report


def note(path: str | Path, kind: str, name: str, counts: dict[str, Any]) -> None:
    """Keep the counts of a piece of work in the ledger of an index; the last of a kind and name stays. Raises
    UsageError as `build_index`."""
    with IndexFile(Path(path), write=True) as file, file.explained(), file.writing() as database:
        _note(database, kind, name, counts)


def _note(database: Database, kind: str, name: str, counts: dict[str, Any]) -> None:
    told = {"kind": kind, "name": name, "at": datetime.now(UTC).isoformat(), "counts": json.dumps(counts)}
    database.table("ledger").upsert(told, pk=("kind", "name"))


def _compare(file: IndexFile, saver: BaseCheckpointSaver[Any], report: IndexReport) -> list[str]:
    """Threads to read, in order. Threads that are gone are removed.

    The store is listed under the write lock: a thread that is in the index and not in the list was deleted, for what
    another indexer found was found before."""
    with file.writing() as database:
        database.execute("CREATE TEMP TABLE IF NOT EXISTS listed (thread TEXT PRIMARY KEY, stamp TEXT)")
        database.execute("DELETE FROM temp.listed")
        database.conn.executemany("INSERT INTO temp.listed VALUES (?, ?)", _readable(saver))
        report.removed = forget(database, "thread NOT IN (SELECT thread FROM temp.listed)")
        report.threads = database.execute("SELECT COUNT(*) FROM temp.listed").fetchone()[0]
    changed = (
        "SELECT l.thread FROM temp.listed l LEFT JOIN threads t USING (thread) WHERE t.stamp IS NOT l.stamp ORDER BY 1"
    )
    found = [thread for (thread,) in file.database.execute(changed)]
    report.unchanged = report.threads - len(found)
    return found


def _readable(saver: BaseCheckpointSaver[Any]) -> Iterator[tuple[str, str]]:
    try:
        yield from stamps(saver)
    except sqlite3.Error as error:
        raise UsageError(f"the store of runs cannot be read ({error})", fix="Restore the file from a copy") from error


def _read(
    file: IndexFile, saver: BaseCheckpointSaver[Any], threads: Iterable[str], report: IndexReport
) -> Iterator[int]:
    """Read the threads, some in each transaction; yields how many are done after each."""
    waiting = iter(threads)
    done, thread = 0, next(waiting, None)
    while thread is not None:
        ends, rows = time.monotonic() + _SECONDS, 0
        with file.writing() as database:
            while thread is not None and rows < _ROWS and time.monotonic() < ends:
                written = renew(database, saver, thread)
                report.written.update(written)
                rows += written.total()
                report.read += 1
                done, thread = done + 1, next(waiting, None)
        yield done
