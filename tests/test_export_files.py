"""Files: whole or not there, the same bytes for the same runs, a task in one of them, memory that does not grow."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from export_runs import Stored, conversation, forked, store
from flowwright.checkpoints.export.export import export
from flowwright.checkpoints.export.files import Files
from flowwright.checkpoints.export.parquet import ParquetFile
from flowwright.checkpoints.export.split import Split
from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.errors import UsageError
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as made:
        yield made


def fill(saver: Any, tasks: int, *, first: int = 0) -> None:
    for number in range(first, first + tasks):
        trunk = Stored(f"r{number}", conversation(f"r{number}", 3), f"t{number}", rewards={"exact": number % 2})
        store(saver, trunk)
        if number % 3 == 0:
            forked(saver, trunk, 2, [1.0, 0.0])


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("format", ["sft", "kto", "dpo", "grpo", "atif"])
def test_the_same_runs_make_the_same_bytes(format: str, saver: GroupCommitSaver, tmp_path: Path) -> None:
    fill(saver, 6)
    for suffix in ("jsonl",) if format == "atif" else ("jsonl", "parquet"):
        made = []
        for turn in ("one", "two"):
            (tmp_path / turn).mkdir(exist_ok=True)
            done = export(saver, tmp_path / turn / f"x.{suffix}", format=format, split=["test=0.3"], overwrite=True)
            paths = [*done.paths.values(), done.card, done.ledger_path]
            made.append({path.name: path.read_bytes() for path in paths})
            assert done.hashes == {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in done.paths.values()
            }
            assert all(digest in done.card.read_text() for digest in done.hashes.values())
        assert made[0] == made[1]


def test_forks_and_samples_of_a_task_are_in_one_split_and_stay_there(saver: GroupCommitSaver, tmp_path: Path) -> None:
    fill(saver, 20)
    split = ["test=0.3", "val=0.2"]
    done = export(saver, tmp_path / "x.jsonl", format="grpo", split=split, seed=1)
    assert {path.name for path in done.paths.values()} == {"x.train.jsonl", "x.test.jsonl", "x.val.jsonl"}
    tasks = {name: {row["task"] for row in read(path)} for name, path in done.paths.items()}
    assert sum(map(len, tasks.values())) == 20
    assert sum(done.rows.values()) == sum(len(read(path)) for path in done.paths.values())
    fill(saver, 5, first=20)
    for number in range(20):
        store(saver, Stored(f"more{number}", conversation(f"more{number}", 2), f"t{number}", rewards={"exact": 1.0}))
    later = export(saver, tmp_path / "y.jsonl", format="grpo", split=split, seed=1)
    for name, path in later.paths.items():
        assert {row["task"] for row in read(path)} >= tasks[name], "a task has changed its split"


@given(st.lists(st.text(), min_size=1, unique=True), st.integers(), st.floats(0.05, 0.5))
def test_a_split_is_a_function_of_task_and_seed(tasks: list[str], seed: int, share: float) -> None:
    split = Split.parsed([f"test={share}"], seed)
    assert [split.of(task) for task in tasks] == [Split.parsed([f"test={share}"], seed).of(task) for task in tasks]
    wider = Split.parsed([f"test={share + 0.3}"], seed)
    assert all(wider.of(task) == "test" for task in tasks if split.of(task) == "test")


def test_shares_are_what_was_asked_for() -> None:
    split = Split.parsed(["test=0.1", "val=0.2"], 0)
    found = [split.of(f"task {number}") for number in range(10_000)]
    assert found.count("test") == pytest.approx(1000, abs=120)
    assert found.count("val") == pytest.approx(2000, abs=160)


@pytest.mark.parametrize(
    "text", ["test", "test=", "=0.1", "test=1", "test=0", "test=-0.1", "train=0.1", "a b=0.1", "x=nan"]
)
def test_a_split_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no split"):
        Split.parsed([text], 0)
    with pytest.raises(UsageError, match="leave nothing"):
        Split.parsed(["a=0.5", "b=0.5"], 0)


CHILD = """
import os, signal, sys
from flowwright.checkpoints.export.export import export
from flowwright.checkpoints.sqlite import GroupCommitSaver

heard = 0

def stop(account):
    global heard
    heard += 1
    if heard == 3:
        os.kill(os.getpid(), signal.SIGKILL)

with GroupCommitSaver(sys.argv[1]) as saver:
    export(saver, sys.argv[2], format=sys.argv[3], listener=stop)
"""


@pytest.mark.parametrize(("format", "suffix"), [("grpo", "jsonl"), ("grpo", "parquet"), ("sft", "jsonl")])
def test_a_killed_export_leaves_no_file_under_its_name(
    format: str, suffix: str, saver: GroupCommitSaver, tmp_path: Path
) -> None:
    fill(saver, 5)
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-c", CHILD, str(tmp_path / "runs.db"), str(out / f"x.{suffix}"), format]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in out.iterdir() if not path.name.startswith(f".x.{suffix}.unfinished-")] == []
    assert export(saver, out / f"x.{suffix}", format=format).rows[""] > 0


def test_an_interrupted_export_leaves_nothing_and_keeps_what_was_there(saver: GroupCommitSaver, tmp_path: Path) -> None:
    fill(saver, 5)
    out = tmp_path / "out"
    out.mkdir()
    export(saver, out / "x.jsonl", format="grpo")
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupt(account: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(saver, out / "x.jsonl", format="grpo", overwrite=True, listener=interrupt)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_files_that_are_there_are_replaced_only_when_asked(saver: GroupCommitSaver, tmp_path: Path) -> None:
    fill(saver, 8)
    first = export(saver, tmp_path / "x.jsonl", format="grpo", split=["test=0.5"])
    with pytest.raises(UsageError, match="exists already"):
        export(saver, tmp_path / "x.jsonl", format="grpo", split=["test=0.5"])
    (tmp_path / "y.card.md").write_text("mine")
    with pytest.raises(UsageError, match=r"y\.card\.md exists already"):
        export(saver, tmp_path / "y.jsonl", format="grpo")
    assert (tmp_path / "y.card.md").read_text() == "mine"
    assert "test" in first.paths
    seed = next(
        one for one in range(1000) if all(Split.parsed(["test=0.01"], one).of(f"t{n}") == "train" for n in range(8))
    )
    again = export(saver, tmp_path / "x.jsonl", format="grpo", split=["test=0.01"], seed=seed, overwrite=True)
    assert again.rows == {"train": sum(first.rows.values()), "test": 0}
    assert not (tmp_path / "x.test.jsonl").exists(), "rows of the earlier export are left"


def test_places_that_cannot_be_written_are_refused_before_a_run_is_read(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    for name, says in (("no/x.jsonl", "there is no directory"), ("x.csv", "file type '.csv'"), ("x", "file type 'x'")):
        with pytest.raises(UsageError, match=says):
            Files(tmp_path / name, ("",), overwrite=False)
    with pytest.raises(UsageError, match=r"Did you mean \.jsonl"):
        export(saver, tmp_path / "x.json", format="sft")
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        export(saver, tmp_path / "d.jsonl", format="sft", overwrite=True)
    with pytest.raises(UsageError, match=r"Name a \.jsonl file"):
        export(saver, tmp_path / "x.parquet", format="atif")


def test_parquet_without_pyarrow_says_what_to_install(
    saver: GroupCommitSaver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(saver, 2)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"flowwright\[export\]"):
        export(saver, tmp_path / "x.parquet", format="sft")
    assert export(saver, tmp_path / "x.jsonl", format="sft").rows[""] > 0


def test_an_empty_selection_says_what_was_looked_at(saver: GroupCommitSaver, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 runs were read"):
        export(saver, tmp_path / "x.jsonl", format="sft")
    fill(saver, 3)
    from flowwright.checkpoints.trajectories.selection import Selection

    with pytest.raises(UsageError, match="0 runs were read and 5 left out by the filters"):
        export(saver, tmp_path / "x.jsonl", format="sft", selection=Selection(systems=("dyflow",)))
    assert {path.name for path in tmp_path.iterdir()} <= {"runs.db", "runs.db-wal", "runs.db-shm"}


def test_any_saver_can_be_exported(tmp_path: Path) -> None:
    saver = StrictMemorySaver()
    fill(saver, 4)
    with GroupCommitSaver(tmp_path / "runs.db") as file:
        fill(file, 4)
        export(file, tmp_path / "x.jsonl", format="grpo")
    export(saver, tmp_path / "y.jsonl", format="grpo")
    same = ("run", "completion_ids", "logprobs", "advantage", "env_mask")
    first, second = (
        sorted(([row[name] for name in same] for row in read(tmp_path / name)), key=str)
        for name in ("x.jsonl", "y.jsonl")
    )
    assert first == second


def test_card_and_ledger_agree_with_the_files(saver: GroupCommitSaver, tmp_path: Path) -> None:
    fill(saver, 6)
    done = export(saver, tmp_path / "x.jsonl", format="kto", reward="exact", split=["test=0.4"])
    card, ledger = done.card.read_text(), json.loads(done.ledger_path.read_text())
    for split, path in done.paths.items():
        assert f"| {path.name} | {len(read(path))} | {done.hashes[path.name]} |" in card
        assert ledger["rows"]["splits"][split] == len(read(path))
    assert ledger["calls"]["unaccounted"] == ledger["rows"]["unaccounted"] == 0
    assert ledger["request"]["reward"] == "exact"
    for column in read(done.paths["train"])[0]:
        assert f"| {column} |" in card, column
    assert "License: not stated" in card


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    from flowwright.checkpoints.export.columns import Column

    file = ParquetFile(tmp_path / "x.parquet", (Column("ids", "integers", ""),))
    for _ in range(30):
        file.write({"ids": [1] * 100_000})
    file.close()
    found = pq.ParquetFile(tmp_path / "x.parquet").metadata
    assert found.num_rows == 30
    assert max(found.row_group(number).num_rows for number in range(found.num_row_groups)) <= 11


@pytest.mark.parametrize("format", ["sft", "grpo"])
def test_memory_does_not_grow_with_the_number_of_tasks(format: str, tmp_path: Path) -> None:
    peaks = []
    for tasks in (20, 80):
        with GroupCommitSaver(tmp_path / f"runs{tasks}.db") as saver:
            for number in range(tasks):
                store(saver, Stored(f"r{number}", conversation(f"r{number}", 12), f"t{number}", rewards={"exact": 1.0}))
            export(saver, tmp_path / f"warm{tasks}.jsonl", format=format)
            tracemalloc.start()
            export(saver, tmp_path / f"x{tasks}.jsonl", format=format)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0], peaks
