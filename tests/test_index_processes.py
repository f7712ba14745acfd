"""Processes that write, index and read one store at the same time: nothing is lost, nothing is half, nobody is told of
a lock, and a killed indexer leaves an index that can be used."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from flowwright.checkpoints.index.build import build_index
from flowwright.checkpoints.index.file import index_path
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.load import load_trajectories
from index_writer import dump, ended, sound, start, tasks
from offline_systems import need_sandbox
from written_runs import Written, chain, write

RUNS = 240
"""Enough for several transactions of an indexer."""
WHOLE = """
SELECT r.thread, r.turns, (SELECT COUNT(*) FROM turns t WHERE (t.thread, t.head) = (r.thread, r.head)),
       (SELECT COUNT(*) FROM calls c WHERE (c.thread, c.head) = (r.thread, r.head))
FROM runs r
"""


def many_runs(path: Path, count: int) -> None:
    """Runs of one to four calls."""
    with GroupCommitSaver(path) as saver:
        for number in range(count):
            calls = chain(f"r{number}", 1 + number % 4)
            write(saver, f"t{number:03}", Written(f"r{number}", calls, task=str(number)))


def halves(path: Path) -> list[tuple[object, ...]]:
    """Runs of `many_runs` that are in an index and not whole."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        rows = connection.execute(WHOLE).fetchall()
    return [row for row in rows if not row[2] == row[3] == 1 + int(row[0][1:]) % 4]


@pytest.mark.kill
def test_a_killed_indexer_leaves_whole_runs_and_the_next_one_goes_on(tmp_path: Path) -> None:
    store, stop = tmp_path / "runs.db", tmp_path / "stop"
    many_runs(store, RUNS)
    path, moments, partial = index_path(store), random.Random(0), 0
    for number in range(12):
        child = start("rebuild", store, stop, cwd=tmp_path)
        assert child.stdout is not None
        if number:
            child.stdout.readline()  # it has built one
        while not path.exists():
            time.sleep(0.001)
        if number % 2:
            wait_for_a_half(path)
        else:
            time.sleep(moments.uniform(0.0, 0.5))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        with closing(sqlite3.connect(path)) as connection:
            made = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            found = connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0] if made else 0
        partial += 0 < found < RUNS
        if made:
            assert halves(path) == []
            sound(path)
    with GroupCommitSaver(store) as saver:
        build_index(saver, path)
        kept = dump(path)
        assert (len(kept["runs"]), halves(path)) == (RUNS, [])
        build_index(saver, path, rebuild=True)
        assert dump(path) == kept
    assert partial > 0, "no kill fell into the middle of a build"


def wait_for_a_half(path: Path) -> None:
    """Until an index that is rebuilt again and again holds some runs and not all, for a reader; half a minute at most."""
    end = time.monotonic() + 30
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        while time.monotonic() < end:
            made = connection.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'runs'").fetchone()[0]
            if made and 0 < connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0] < RUNS:
                return


def test_two_indexers_at_once_and_a_reader(tmp_path: Path) -> None:
    store, stop = tmp_path / "runs.db", tmp_path / "stop"
    many_runs(store, 40)
    path = index_path(store)
    indexers = [start(what, store, stop, cwd=tmp_path) for what in ("index", "rebuild", "index")]
    seen: list[object] = []
    watching = watcher(path, lambda: seen.extend(halves(path)))
    with GroupCommitSaver(store) as saver:
        for number in range(40, 60):
            write(saver, f"t{number:03}", Written(f"r{number}", chain(f"r{number}", 1 + number % 4), task=str(number)))
        saver.delete_thread("t000")
        stop.touch()
        for indexer in indexers:
            assert ended(indexer)
        watching()
        assert {row[0] for row in seen} <= {f"t{number:03}" for number in range(40, 60)}  # type: ignore[index]
        assert halves(path) == []
        sound(path)
        kept = dump(path)
        assert len(kept["runs"]) == 59
        build_index(saver, path, rebuild=True)
        assert dump(path) == kept


def watcher(path: Path, look: Callable[[], None]) -> Callable[[], None]:
    """`look` again and again from when the tables are there; call what comes back to stop, and to hear of errors."""
    over, errors = threading.Event(), list[Exception]()

    def watch() -> None:
        while not over.is_set():
            try:
                if path.exists():
                    look()
            except sqlite3.OperationalError as error:
                if "no such table" not in str(error) and "unable to open" not in str(error):  # it is being made
                    errors.append(error)

    thread = threading.Thread(target=watch)
    thread.start()

    def stop() -> None:
        over.set()
        thread.join()
        assert errors == []

    return stop


@pytest.mark.kill
def test_two_processes_write_while_a_third_indexes_and_a_fourth_exports(tmp_path: Path) -> None:
    need_sandbox()
    store, stop = tmp_path / "runs.db", tmp_path / "stop"
    GroupCommitSaver(store).close()
    indexer = start("index", store, stop, cwd=tmp_path)
    exporter = start("export", store, stop, tmp_path / "rows", cwd=tmp_path)
    threads = set[str]()
    for systems in (("dyflow", "agentflow"), ("flowsteer", "dyflow")):
        round_of = "first" if "agentflow" in systems else "second"
        file = tasks(tmp_path, round_of, 10)
        for writer in [start("write", store, system, file, cwd=tmp_path) for system in systems]:
            threads |= set(json.loads(ended(writer)))
    stop.touch()
    rounds = ended(indexer).split()
    exports = [json.loads(line) for line in ended(exporter).splitlines()]
    assert len(rounds) > 2
    assert len(exports) > 2
    assert len(threads) == 40
    path = index_path(store)
    sound(path)
    with GroupCommitSaver(store) as saver:
        loaded = {run.thread_id: len(run.calls) for tree in load_trajectories(saver) for run in tree.trajectories}
        kept = dump(path)
        assert {row[0] for row in kept["runs"]} == threads == loaded.keys()
        assert len(kept["calls"]) == sum(loaded.values())
        build_index(saver, path, rebuild=True)
        assert dump(path) == kept
    assert {*exports[-1]["threads"]} == threads
    assert exports[-1]["read"] == sum(loaded.values())
    sizes = [len(one["threads"]) for one in exports]
    assert sizes == sorted(sizes)
