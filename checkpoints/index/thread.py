"""What an index says of a thread is what the store said of it at one moment: all of it is replaced at once."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from sqlite_utils import Database

from ...errors import FlowwrightError
from ..annotation import all_rewards_of
from ..errors import is_lock
from ..trajectories.ledger import Ledger
from ..trajectories.load import load_trajectories
from ..trajectories.selection import Selection
from ..trajectories.state_reader import checkpoint_config
from .rows import Row, Rows, rows_of_run
from .schema import OF_A_RUN, put
from .stamps import stamp

_KNOW: Final = (
    "INSERT INTO threads (thread, stamp, problem) VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET stamp = excluded.stamp, problem = excluded.problem"
)
_PUT: Final = {name: put(name) for name in ("runs", *OF_A_RUN, "texts")}
_TRIES: Final = 3
"""A thread that changed under the reader's eyes and could not be read is read again so often."""


def renew(database: Database, saver: BaseCheckpointSaver[Any], thread: str) -> Counter[str]:
    """Put what the store says of `thread` now into the place of what the index said; returns rows by table. The stamp
    is taken first: what changes while the thread is read changes the stamp, and the next indexing reads it again."""
    now = stamp(saver, thread)
    known = database.execute("SELECT stamp FROM threads WHERE thread = ?", (thread,)).fetchone()
    if now is not None and known is not None and known[0] == now:  # another indexer was here
        return Counter()
    for _ in range(_TRIES):
        before = now
        found, problem = ({}, None) if before is None else _rows_of(saver, thread)
        now = stamp(saver, thread)
        if now == before or (now is not None and problem is None):
            break
    if before is None or now is None:
        forget(database, "thread = ?", thread)
        return Counter()
    try:
        with database.atomic():
            return _replace(database, thread, before, found, problem)
    except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError) as error:
        return _replace(database, thread, before, {}, f"a record that fits no table: {error}")


def _rows_of(saver: BaseCheckpointSaver[Any], thread: str) -> tuple[Rows, str | None]:
    """All rows of a thread, and what is wrong with it; None: nothing."""
    ledger, found = Ledger(), dict[str, list[Row]]()
    try:
        for tree in load_trajectories(saver, Selection(threads=(thread,)), ledger):
            for run in tree.trajectories:
                held = saver.get_tuple(checkpoint_config(thread, run.checkpoint_id)) if run.rewards else None
                for table, rows in rows_of_run(run, all_rewards_of(held)).items():
                    found.setdefault(table, []).extend(rows)
    except FlowwrightError:
        raise
    except Exception as error:
        if isinstance(error, sqlite3.Error) and is_lock(error):
            raise
        return {}, f"{type(error).__name__}: {error}"
    return found, ledger.damaged_threads.get(thread)


def forget(database: Database, which: str, *values: str) -> int:
    """Remove threads with all that belongs to them; returns how many there were."""
    _remove_texts(database, which, *values)
    return database.execute(f"DELETE FROM threads WHERE {which}", values).rowcount


def _remove_texts(database: Database, which: str, *values: str) -> None:
    """Triggers would do it, if SQLite let a file that it need not trust have such triggers."""
    unlist = f"INSERT INTO texts_fts (texts_fts, rowid, body) SELECT 'delete', id, body FROM texts WHERE {which}"
    database.execute(unlist, values)
    database.execute(f"DELETE FROM texts WHERE {which}", values)


def _replace(database: Database, thread: str, stamp: str, found: Rows, problem: str | None) -> Counter[str]:
    """The runs stay where they are the same, so that what was said of them elsewhere stays too."""
    database.execute(_KNOW, (thread, stamp, problem))
    for table in OF_A_RUN:
        database.execute(f"DELETE FROM {table} WHERE thread = ?", (thread,))
    heads = [row["head"] for row in found.get("runs", [])]
    gone = "DELETE FROM runs WHERE thread = ? AND head NOT IN (SELECT value FROM json_each(?))"
    database.execute(gone, (thread, json.dumps(heads)))
    _remove_texts(database, "thread = ?", thread)
    for table, rows in found.items():
        database.conn.executemany(_PUT[table], rows)
    database.execute("INSERT INTO texts_fts (rowid, body) SELECT id, body FROM texts WHERE thread = ?", (thread,))
    return Counter({table: len(rows) for table, rows in found.items()})
