"""The command as a stranger types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from export_runs import Stored, call, conversation, store, user
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.cli import main


def flowwright(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "flowwright.cli", *arguments]
    environment = {**os.environ, "COLUMNS": "200", "FLOWWRIGHT_DB": ""}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store")
    with GroupCommitSaver(place / "runs.db") as saver:
        for number in range(12):
            calls = conversation(f"r{number}", 3)
            store(saver, Stored(f"r{number}", calls, f"t{number // 2}", rewards={"exact": float(number % 2)}))
        bare, _ = call("bare", 1, [user("q")], "said")
        store(saver, Stored("bare", [bare], "zz", system="dyflow"))
    (place / "half.db").write_bytes((place / "runs.db").read_bytes()[: (place / "runs.db").stat().st_size // 2])
    return place


def test_an_export_is_told_to_a_person_and_to_a_program(place: Path, tmp_path: Path) -> None:
    db = f"sqlite:///{place / 'runs.db'}"
    asked = ("--db", db, "--format", "kto", "--reward", "exact", "--split", "test=0.3", "--filter", "system=flowsteer")
    done = flowwright("export", *asked, "--out", "x.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rows made" in done.stdout
    assert "x.train.jsonl" in done.stdout
    told = flowwright("export", *asked, "--out", "y.jsonl", "--json", cwd=tmp_path)
    result = json.loads(told.stdout)
    assert result["rows"]["train"] == len((tmp_path / "y.train.jsonl").read_text().splitlines())
    assert result["calls"]["unaccounted"] == 0
    assert (tmp_path / "x.train.jsonl").read_bytes() == (tmp_path / "y.train.jsonl").read_bytes()


def test_filters_of_one_key_add_up_and_a_bound_of_a_reward_may_stand_alone(place: Path, tmp_path: Path) -> None:
    db = f"sqlite:///{place / 'runs.db'}"
    chosen = ("--filter", "task=t0", "--filter", "task=t1,t2", "--filter", "exact>=0.5")
    done = flowwright("export", "--db", db, "--format", "grpo", *chosen, "--out", "x.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert {(row["task"], row["reward"]) for row in rows} == {("t0", 1.0), ("t1", 1.0), ("t2", 1.0)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "sfd"), "Did you mean sft?"),
        (("--preset", "dyflow-phase3"), "Did you mean dyflow-phase"),
        ((), "no format is given"),
        (("--format", "sft", "--filter", "sistem=dyflow"), "Did you mean system?"),
        (("--format", "sft", "--filter", "dyflow"), "'dyflow' is no filter"),
        (("--format", "sft", "--filter", "status=done"), "there is no status 'done'"),
        (("--format", "sft", "--filter", "system=dyflo"), "13 left out by the filters"),
        (("--format", "sft", "--filter", "since=yesterday"), "'yesterday' is no time"),
        (("--format", "grpo",), "bare/1/designer/0/0.0 of vllm:tiny has no token ids"),
        (("--format", "grpo", "--reward", "exakt", "--filter", "system=flowsteer"), "rewards there are: exact"),
        (("--format", "sft", "--split", "test=2"), "'test=2' is no split"),
        (("--format", "sft", "--out", "x.txt"), "'.txt'"),
        (("--format", "sft", "--out", "taken.jsonl"), "--overwrite"),
        (("--format", "sft", "--db", "sqlite:///absent.db"), "there is no file"),
        (("--format", "sft", "--db", "HALF"), "half.db"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2_and_writes_nothing(
    arguments: tuple[str, ...], says: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.jsonl").write_text("mine")
    given = [f"sqlite:///{place / 'half.db'}" if one == "HALF" else one for one in arguments]
    whole = ["export", "--db", f"sqlite:///{place / 'runs.db'}", "--out", "x.jsonl", *given]
    with pytest.raises(SystemExit) as left:
        main(whole)
    said = capsys.readouterr()
    assert left.value.code == 2, said
    told = said.err.splitlines()
    assert len(told) == 1, said
    assert told[0].startswith("flowwright: ")
    assert says in told[0]
    assert said.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["taken.jsonl"]
    assert (tmp_path / "taken.jsonl").read_text() == "mine"
