"""The tables of a run index. Every row is read off a store of runs, under keys that the store gave, so that an index
that was deleted comes back as it was; only `ledger`, which tells of the work itself, is more than that."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database
from sqlite_utils.db import ForeignKey

from ...errors import UsageError

APPLICATION_ID: Final = 0x466C7769  # "Flwi"
FORMAT: Final = 1  # in user_version; an index of an older one is built anew

_RUN: Final = {"thread": str, "head": str}
_USAGE: Final = {"input_tokens": int, "output_tokens": int, "money": float, "seconds": float}


@dataclass(frozen=True)
class Table:
    """One table: its columns in order, its primary key, whose rows it belongs to, and what it is searched by."""

    columns: dict[str, type]
    key: tuple[str, ...]
    parent: str | None = None
    """The table to whose row the columns of its primary key refer, and with which rows go; None: it stands alone."""
    indexes: tuple[tuple[str, ...], ...] = ()
    optional: frozenset[str] = frozenset()
    """Columns that may be NULL."""


def _table(
    columns: dict[str, type],
    key: str,
    *,
    parent: str | None = None,
    indexes: tuple[str, ...] = (),
    optional: str = "",
) -> Table:
    return Table(columns, tuple(key.split()), parent, tuple(tuple(one.split()) for one in indexes), _names(optional))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLES: Final[dict[str, Table]] = {
    # What of the store is in the index. `stamp` is equal as long as nothing of the thread changed.
    "threads": _table({"thread": str, "stamp": str, "problem": str}, "thread", optional="problem"),
    "runs": _table(
        {
            **_RUN, "run": str, "task": str, "question": str, "system": str, "preset": str, "status": str,
            "answer": str, "turns": int, "operations": int, "calls": int, **_USAGE, "faults": int, "origin_thread": str,
            "origin_checkpoint": str, "origin_run": str, "origin_turn": int, "origin_sample": int, "group_name": str,
            "created": str, "updated": str,
        },
        "thread head", parent="threads",
        indexes=("task", "status", "system status", "updated", "group_name", "origin_thread origin_checkpoint", "run"),
        optional=(
            "task question answer origin_thread origin_checkpoint origin_run origin_turn origin_sample created updated"
        ),
    ),
    "turns": _table(
        {
            **_RUN, "turn": int, "attempt": int, "outcome": str, "description": str, "action": str,
            "observation": str, "faults": int, "call": str, "model": str, **_USAGE, "inherited": int,
        },
        "thread head turn attempt", parent="runs", indexes=("outcome", "call"), optional="action call model",
    ),
    "operations": _table(
        {
            **_RUN, "operation": str, "turn": int, "operator": str, "version": str, "status": str,
            "instruction": str, "inputs": str, "output": str, "arguments": str, "node": str, "fault": str,
            "model": str, "key": str, "calls": int, **_USAGE, "inherited": int,
        },
        "thread head operation", parent="runs", indexes=("operator status", "key"),
        optional="arguments node fault model",
    ),
    "calls": _table(
        {
            **_RUN, "call": str, "number": int, "turn": int, "role": str, "place": str, "policy": str, "model": str,
            "version": str, "finish_reason": str, "input_tokens": int, "output_tokens": int, "estimated": int,
            "sampled_ids": int, "logprobs_mode": str, "constrained": int, "incomplete": int, "parent": str,
            "continues": int, "money": float, "began": float, "seconds": float, "error": str, "checkpoint": str,
            "namespace": str, "task": str, "attempt": int,
        },
        "thread head call number", parent="runs", indexes=("role policy version", "checkpoint", "call"),
        optional="model version finish_reason logprobs_mode parent money error checkpoint task",
    ),
    "faults": _table(
        {
            **_RUN, "place": str, "part": int, "turn": int, "kind": str, "code": str, "message": str,
            "expected": str, "inherited": int,
        },
        "thread head place part", parent="runs", indexes=("kind code",), optional="expected",
    ),
    # `latest` is 1 on the newest of its name, the one that holds.
    "rewards": _table(
        {
            **_RUN, "name": str, "at": str, "version": str, "value": float, "parts": str, "by": str, "latest": int,
        },
        "thread head name at", parent="runs", indexes=("name latest value",),
    ),
    # Filled by whoever evaluates; a row goes when its run does.
    "evaluations": _table(
        {**_RUN, "evaluation": str, "scorer": str, "version": str, "score": float, "details": str, "at": str},
        "thread head evaluation scorer", parent="runs", indexes=("evaluation score",), optional="score details",
    ),
    "texts": _table(
        {
            "id": int, **_RUN, "turn": int, "place": str, "kind": str, "inherited": int, "body": str,
        },
        "id", indexes=("thread head",), optional="turn",
    ),
    "ledger": _table({"kind": str, "name": str, "at": str, "counts": str}, "kind name"),
}  # fmt: skip
"""`head` is the last checkpoint of a run, or of one of its branches where it was taken back and went on otherwise; with
the thread it names the run in every table. `inherited` is 1 on what a fork has of the run that it was forked from; a
call is only in the rows of the run that made it. `group_name` is `Trajectory.group`. `calls.number` tells two calls of
one id apart: a run that was taken back made one of them again. `sampled_ids` is how many token ids are in the store;
the index holds none."""

REBUILT: Final = tuple(name for name in TABLES if name != "ledger")
OF_A_RUN: Final = ("turns", "operations", "calls", "faults", "rewards")
"""Tables whose rows are written anew whenever their thread is read again; `texts` are too."""
TOKENIZER: Final = "porter unicode61 remove_diacritics 2"


def put(name: str) -> str:
    """The statement that stores a row of a table, told by the names of its columns; a run's replaces the one before.
    One statement for many rows of one form: sqlite-utils would look at each value of each."""
    columns = [one for one in TABLES[name].columns if one != "id"]
    values = ", ".join(f":{one}" for one in columns)
    told = ", ".join(f"{one} = excluded.{one}" for one in columns)
    instead = f" ON CONFLICT DO UPDATE SET {told}" if name == "runs" else ""
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({values}){instead}"


def mark(connection: sqlite3.Connection, name: str) -> int | None:
    """The format of the index behind `connection`; None: the file is empty. Raises UsageError for a file of somebody
    else and for an index that a newer Flowwright wrote."""
    marked, written = (connection.execute(f"PRAGMA {one}").fetchone()[0] for one in ("application_id", "user_version"))
    if marked == 0 and not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        return None
    if marked != APPLICATION_ID:
        raise UsageError(
            f"{name} is a SQLite database, but no run index, and was left as it is",
            fix="Move it away, or name another file for the index",
        )
    if written > FORMAT:
        raise UsageError(
            f"{name} is a run index of format {written}; this Flowwright reads up to {FORMAT}",
            fix="Upgrade Flowwright, or delete the file: an index can always be built again",
        )
    return int(written)


def make_tables(database: Database, *, anew: bool) -> None:
    """Make the tables that are missing, inside the transaction that is open. `anew`: empty ones, but for the ledger."""
    if anew:
        _drop(database)
    for name, table in TABLES.items():
        if not database[name].exists():
            _make(database, name, table)
    if not database["texts_fts"].exists():
        database.table("texts").enable_fts(["body"], tokenize=TOKENIZER)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {FORMAT}")


def _make(database: Database, name: str, table: Table) -> None:
    parents = []
    if table.parent is not None:
        columns = TABLES[table.parent].key
        parents = [
            ForeignKey(
                table=name, column=columns[0] if len(columns) == 1 else None, other_table=table.parent,
                other_column=columns[0] if len(columns) == 1 else None, columns=columns, other_columns=columns,
                is_compound=len(columns) > 1, on_delete="CASCADE",
            )
        ]  # fmt: skip
    made = database.table(name).create(
        table.columns,
        pk=table.key if len(table.key) > 1 else table.key[0],
        foreign_keys=parents,
        not_null=[one for one in table.columns if one not in table.optional],
        strict=True,
    )
    for columns in table.indexes:
        made.create_index(columns)


def _drop(database: Database) -> None:
    database.execute("DROP TABLE IF EXISTS texts_fts")
    for name in reversed(REBUILT):
        database.table(name).drop(ignore=True)
