"""A file is ours by its marks, LangGraph's by its two tables, new when empty, and otherwise somebody else's.

Tables and columns are those of `langgraph-checkpoint-sqlite`, so that its savers read the file too; `journal` is added.
The tables have row ids on purpose: `WITHOUT ROWID`, every row over a quarter of a page spills into pages of its own.
Rows of 1 to 5 kB fill pages of 8 kB better than SQLite's 4 kB, and no slower (`benchmarks/saver_bytes.py`).
"""

from __future__ import annotations

import sqlite3
from typing import Literal

from ..errors import UsageError

APPLICATION_ID = 0x466C7777  # "Flww"
FORMAT = 1  # in user_version; raised when an older Flowwright could misread the file
PAGE_SIZE = 8192  # bytes

Origin = Literal["ours", "langgraph", "empty"]

_CHECKPOINTS = {
    "thread_id": "TEXT NOT NULL",
    "checkpoint_ns": "TEXT NOT NULL DEFAULT ''",
    "checkpoint_id": "TEXT NOT NULL",
    "parent_checkpoint_id": "TEXT",
    "type": "TEXT",
    "checkpoint": "BLOB",
    "metadata": "BLOB",
}
_WRITES = {
    "thread_id": "TEXT NOT NULL",
    "checkpoint_ns": "TEXT NOT NULL DEFAULT ''",
    "checkpoint_id": "TEXT NOT NULL",
    "task_id": "TEXT NOT NULL",
    "task_path": "TEXT NOT NULL DEFAULT ''",
    "idx": "INTEGER NOT NULL",
    "channel": "TEXT NOT NULL",
    "type": "TEXT",
    "value": "BLOB",
}


def _create(table: str, columns: dict[str, str], key: str) -> str:
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE IF NOT EXISTS {table} ({listed}, PRIMARY KEY ({key}))"


DDL = (
    _create("checkpoints", _CHECKPOINTS, "thread_id, checkpoint_ns, checkpoint_id"),
    _create("writes", _WRITES, "thread_id, checkpoint_ns, checkpoint_id, task_id, idx"),
    # `size` is the length of what was recorded; a shorter value is packed
    "CREATE TABLE IF NOT EXISTS journal (key TEXT PRIMARY KEY, size INTEGER NOT NULL, value BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
ADD_TASK_PATH = f"ALTER TABLE writes ADD COLUMN task_path {_WRITES['task_path']}"


def origin(connection: sqlite3.Connection, name: str) -> Origin:
    """Whose file this is, by reading only. Raises UsageError for somebody else's and for one of a newer format."""
    connection.execute("BEGIN")  # one state of the file, which another process may be creating just now
    try:
        return _judge(connection, name)
    finally:
        connection.execute("ROLLBACK")


def _judge(connection: sqlite3.Connection, name: str) -> Origin:
    marked = _pragma(connection, "application_id")
    if marked == APPLICATION_ID:
        if (written := _pragma(connection, "user_version")) > FORMAT:
            raise UsageError(
                f"{name} has format {written}; this Flowwright reads up to {FORMAT}", fix="Upgrade Flowwright"
            )
        return "ours"
    objects = connection.execute("SELECT type, name FROM sqlite_master WHERE type != 'index'").fetchall()
    if marked == 0 and not objects:
        return "empty"
    if marked == 0 and {*objects} == {("table", "checkpoints"), ("table", "writes")} and _is_langgraphs(connection):
        return "langgraph"
    raise UsageError(
        f"{name} is a SQLite database of another application and was left as it is",
        fix="Name a new file, or one made by Flowwright or by LangGraph's SqliteSaver",
    )


def _is_langgraphs(connection: sqlite3.Connection) -> bool:
    checkpoints, writes = columns(connection, "checkpoints"), columns(connection, "writes")
    return checkpoints >= _CHECKPOINTS.keys() and writes | {"task_path"} >= _WRITES.keys()


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of the columns of one of our own tables; empty when it does not exist."""
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
