"""Where runs end: the last checkpoint of each run on each branch of its thread. Every run of a store is there once a
branch, and none of them is held in memory: the list is a temporary database that SQLite keeps on disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver

from ...digest import digest
from ...errors import FlowwrightError, UsageError
from ...graphs.state import Run
from .ledger import Ledger
from .selection import Selection
from .state_reader import checkpoint_config, question_of, read_checkpoint

Point: TypeAlias = tuple[str, str, str | None, str | None]
"""Thread, checkpoint, its parent, and what made it (LangGraph's `source`)."""
_POINTS: Final = (
    "SELECT thread_id, checkpoint_id, parent_checkpoint_id, "
    "iif(json_valid(CAST(metadata AS TEXT)), json_extract(CAST(metadata AS TEXT), '$.source'), NULL) "
    "FROM checkpoints WHERE checkpoint_ns = ''"
)
_STORED: Final = (
    "SELECT type, checkpoint FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ?"
)
_SCHEMA: Final = """
CREATE TABLE points (thread TEXT, id TEXT, parent TEXT, source TEXT);
CREATE TABLE ends (tree TEXT, thread TEXT, id TEXT, run TEXT, created TEXT);
"""
_PAGE: Final = 100


@dataclass(frozen=True)
class RunEnd:
    """The last checkpoint of one run on one branch."""

    thread_id: str
    checkpoint_id: str
    run: Run | None
    """None: the thread is of a graph that is not ours."""
    created: str | None
    """When its thread began; None: the thread does not say."""


@dataclass(frozen=True)
class _Head:
    """What a checkpoint itself holds of a run."""

    run: Run | None
    status: str
    stamp: str | None


class RunEnds:
    """The list. Use it in a `with` block, which deletes it."""

    def __init__(self, saver: BaseCheckpointSaver[Any], selection: Selection, ledger: Ledger) -> None:
        """List the runs of `saver` that `selection` may admit. Raises UsageError for a store that cannot be listed."""
        self._saver, self._selection, self._ledger = saver, selection, ledger
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # a file that SQLite deletes
        self._base.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")

    def __enter__(self) -> RunEnds:
        """List."""
        self._base.execute("BEGIN")
        try:
            self._collect()
        except sqlite3.Error as error:
            self._base.close()
            raise UsageError(f"the store cannot be read ({error})", fix="Restore the file from a copy") from error
        except BaseException:
            self._base.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the list."""
        self._base.close()

    def trees(self) -> Iterator[tuple[str, list[RunEnd]]]:
        """Key of each task with the ends of its runs, the oldest task first."""
        keys = self._base.execute("SELECT tree FROM ends GROUP BY tree ORDER BY MIN(created), MIN(rowid)")
        for (tree,) in keys:
            rows = self._base.execute(
                "SELECT thread, id, run, created FROM ends WHERE tree = ? ORDER BY rowid", (tree,)
            )
            yield tree[1:], [RunEnd(thread, id, json.loads(run), created) for thread, id, run, created in rows]

    def _collect(self) -> None:
        for page in _paged(_points(self._saver, self._selection.threads)):
            self._base.executemany("INSERT INTO points VALUES (?, ?, ?, ?)", page)
        rows: Iterator[Point] = iter(self._base.execute("SELECT * FROM points ORDER BY thread, id"))
        for thread_id, points in groupby(rows, key=itemgetter(0)):
            try:
                self._add(thread_id, list(points))
            except (FlowwrightError, sqlite3.Error):
                raise
            except Exception as error:  # noqa: BLE001 -- whatever a damaged thread makes a decoder raise
                self._ledger.damage(thread_id, f"{type(error).__name__}: {error}")
        self._base.execute("DROP TABLE points")
        self._base.execute("CREATE INDEX by_tree ON ends (tree)")

    def _add(self, thread_id: str, points: list[Point]) -> None:
        created = self._head(thread_id, points[0][1]).stamp
        heads = {id: self._head(thread_id, id) for id in _candidates(points)}
        if not any(head.run for head in heads.values()):
            self._insert(f"f{thread_id}", thread_id, points[-1][1], None, created)
            return
        for id in _last_of_each(points, {id: head.run for id, head in heads.items() if head.run}):
            head = heads[id]
            assert head.run is not None
            if self._selection.may_admit(head.run["system"], head.status, head.run["task"], thread_id, head.stamp):
                self._insert(self._tree(thread_id, id, head.run), thread_id, id, head.run, created)
            else:
                self._ledger.unselected += 1

    def _tree(self, thread_id: str, checkpoint_id: str, run: Run) -> str:
        if run["task"] is not None:
            return f"t{run['task']}"
        stored = read_checkpoint(self._saver, thread_id, checkpoint_id, ["memory"])
        question = None if stored is None else question_of(stored.values)
        return f"f{thread_id}" if question is None else f"q{digest(question)}"

    def _insert(self, tree: str, thread_id: str, checkpoint_id: str, run: Run | None, created: str | None) -> None:
        row = (tree, thread_id, checkpoint_id, json.dumps(run), created)
        self._base.execute("INSERT INTO ends VALUES (?, ?, ?, ?, ?)", row)

    def _head(self, thread_id: str, checkpoint_id: str) -> _Head:
        checkpoint = _decoded(self._saver, thread_id, checkpoint_id)
        values = checkpoint["channel_values"]
        run = values.get("run")
        ours = isinstance(run, dict) and {"id", "number", "system", "task"} <= run.keys()
        return _Head(run if ours else None, values.get("status") or "running", checkpoint.get("ts") or None)


def _points(saver: BaseCheckpointSaver[Any], threads: Sequence[str]) -> Iterator[Point]:
    """Every checkpoint of every root graph. SQLite's tables are asked directly: that decodes none of them."""
    if isinstance(saver, SqliteSaver):
        chosen = f" AND thread_id IN ({', '.join('?' * len(threads))})" if threads else ""
        with saver.cursor(transaction=False) as cursor:
            yield from cursor.execute(_POINTS + chosen, tuple(threads))
        return
    configs: list[Any] = [{"configurable": {"thread_id": one, "checkpoint_ns": ""}} for one in threads] or [None]
    for config in configs:
        for row in saver.list(config):
            where = row.config["configurable"]
            if not where.get("checkpoint_ns"):
                parent = row.parent_config["configurable"].get("checkpoint_id") if row.parent_config else None
                yield str(where["thread_id"]), row.checkpoint["id"], parent, row.metadata.get("source")


def _decoded(saver: BaseCheckpointSaver[Any], thread_id: str, checkpoint_id: str) -> Any:
    if isinstance(saver, SqliteSaver):
        with (
            saver.cursor(transaction=False) as cursor,
            closing(cursor.execute(_STORED, (thread_id, checkpoint_id))) as rows,
        ):
            return saver.serde.loads_typed(rows.fetchone())
    found = saver.get_tuple(checkpoint_config(thread_id, checkpoint_id))
    assert found is not None, "it was listed a moment ago"
    return found.checkpoint


def _candidates(points: list[Point]) -> list[str]:
    """Checkpoints at which a run may end: those without a child, and those that something from outside followed."""
    parents = {parent for _, _, parent, _ in points}
    followed = {parent for _, _, parent, source in points if source in ("input", "update", "fork")}
    return [id for _, id, _, _ in points if id not in parents or id in followed]


def _last_of_each(points: list[Point], runs: dict[str, Run]) -> list[str]:
    """Of the candidates (with their runs) those that no later one of the same run, or of a fork of it, descends from:
    what a fork holds of the run that was forked is its past, not an end."""
    above = {id: parent for _, id, parent, _ in points}
    gone: set[str] = set()
    for run in {one["id"] for one in runs.values()}:
        mine = {id for id, one in runs.items() if one["id"] == run}
        forks = {id for id, one in runs.items() if (origin := one.get("origin")) and origin["run"] == run}
        walked: set[str] = set()
        for id in mine | forks if len(mine | forks) > 1 else ():
            parent = above.get(id)
            while parent is not None and parent not in walked:
                walked.add(parent)
                parent = above.get(parent)
        gone |= mine & walked
    return [id for id in runs if id not in gone]


def _paged(rows: Iterable[Point]) -> Iterator[list[Point]]:
    page: list[Point] = []
    for row in rows:
        page.append(row)
        if len(page) == _PAGE:
            yield page
            page = []
    yield page
