"""What cannot be read is told, not raised, and what is read is read one tree at a time."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.trajectory import TaskTree
from flowwright.errors import UsageError
from stores import all_runs, close, opened
from written_runs import Written, chain, write


@pytest.mark.parametrize("kind", ["ours", "shipped"])
@pytest.mark.parametrize(
    ("statement", "harmed"),
    [
        ("UPDATE writes SET value = x'ff00' WHERE thread_id = 'b' AND channel = 'calls'", "b"),
        ("UPDATE writes SET type = 'pickle' WHERE thread_id = 'b' AND channel = 'turns'", "b"),
        ("UPDATE checkpoints SET checkpoint = x'c1' WHERE thread_id = 'b'", "b"),
        ("UPDATE checkpoints SET checkpoint = NULL WHERE thread_id = 'b'", "b"),
        ("UPDATE checkpoints SET metadata = x'7b' WHERE thread_id = 'b'", "b"),
    ],
)
def test_a_damaged_thread_is_a_line_in_the_ledger(kind: str, statement: str, harmed: str, tmp_path: Path) -> None:
    saver = opened(kind, tmp_path)
    for name in "abc":
        write(saver, name, Written(f"run {name}", chain(name, 3)))
    path = tmp_path / f"{kind}.db"
    with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
        assert connection.execute(statement).rowcount > 0
    ledger = Ledger()
    assert [one.thread_id for one in all_runs(saver, ledger=ledger)] == ["a", "c"]
    assert [*ledger.damaged_threads] == [harmed]
    close(saver)


def test_half_a_database_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with GroupCommitSaver(path) as saver:
        for number in range(30):
            write(saver, f"thread {number}", Written(f"run {number}", chain(f"run {number}", 5)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UsageError) as caught, GroupCommitSaver(path) as saver:
        list(load_trajectories(saver))
    assert "\n" not in str(caught.value)


# What it costs.


def test_memory_does_not_grow_with_the_store(tmp_path: Path) -> None:
    def peak(runs: int) -> int:
        with GroupCommitSaver(tmp_path / f"{runs}.db") as saver:
            for number in range(runs):
                write(saver, f"thread {number}", Written(f"run {number}", chain("r", 3), task=str(number)))
            tracemalloc.start()
            count = sum(1 for _ in load_trajectories(saver))
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert count == runs
        return most

    peak(3)
    small, large = peak(25), peak(125)
    assert large < 1.3 * small


def test_a_tree_is_handed_out_before_the_next_one_is_read(tmp_path: Path) -> None:
    with GroupCommitSaver(tmp_path / "runs.db") as saver:
        for name in "ab":
            write(saver, name, Written(name, chain(name, 2), task=name))
        trees: Iterator[TaskTree] = load_trajectories(saver)
        assert next(trees).key == "a"
        saver.delete_thread("b")
        ledger = Ledger()
        assert [*trees] == []
        assert next(load_trajectories(saver, ledger=ledger)).key == "a"
