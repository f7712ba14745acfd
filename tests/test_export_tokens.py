"""Rows of tokens: what is exported, loaded and read is what was sampled, to the last id, and runs are compared with
those that could have gone their way and with no others."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from export_runs import Saver, Stored, call, conversation, forked, store, user
from flowwright.checkpoints.export.export import export
from flowwright.checkpoints.export.group_advantage import group_advantages
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.errors import UsageError
from flowwright.graphs.prompt_delta import spoken
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as made:
        yield made


def loaded(path: Path, tmp_path: Path) -> list[dict[str, Any]]:
    """The file as `datasets` reads it."""
    import datasets

    kind = "parquet" if path.suffix == ".parquet" else "json"
    found = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    return [*found]


def samples_and_forks(saver: Saver) -> None:
    """Task `a`: three samples, one of them forked twice; task `b`: one sample."""
    for number, value in enumerate((1.0, 0.0, 0.5)):
        trunk = Stored(f"a{number}", conversation(f"a{number}", 4, salt=10 * number), "a", rewards={"exact": value})
        store(saver, trunk)
        if number == 1:
            forked(saver, trunk, 3, [1.0, 0.0])
    store(saver, Stored("b0", conversation("b0", 2, salt=70), "b", "why?", rewards={"exact": 1.0}))


def in_the_store(saver: Saver) -> tuple[dict[str, Any], dict[str, tuple[float, str | None]]]:
    """Each call in full with its record, and reward and forked run of each run, straight from the states."""
    calls: dict[str, Any] = {}
    runs: dict[str, tuple[float, str | None]] = {}
    for tree in load_trajectories(saver):
        for run in tree.trajectories:
            runs[run.run] = run.rewards["exact"], run.origin["run"] if run.origin else None
            calls |= {record["id"]: (record, said) for record, said in spoken(run.calls)}
    return calls, runs


def expected_advantage(rewards: list[float], mine: float) -> float:
    """The formula, written out anew."""
    if len(rewards) < 2 or len({*rewards}) == 1:
        return 0.0
    mean = sum(rewards) / len(rewards)
    return (mine - mean) / (math.sqrt(sum((one - mean) ** 2 for one in rewards) / (len(rewards) - 1)) + 1e-4)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_is_loaded_is_what_was_sampled(suffix: str, saver: GroupCommitSaver, tmp_path: Path) -> None:
    samples_and_forks(saver)
    done = export(saver, tmp_path / f"x.{suffix}", format="grpo")
    rows = loaded(tmp_path / f"x.{suffix}", tmp_path)
    calls, runs = in_the_store(saver)
    trained: list[str] = []
    for row in rows:
        assert row["prompt_ids"] == calls[row["calls"][0]["call"]][1].prompt_ids
        whole = [*row["prompt_ids"], *row["completion_ids"]]
        mask, start = [0] * len(row["completion_ids"]), len(row["prompt_ids"])
        for span in row["calls"]:
            record, said = calls[span["call"]]
            here = slice(span["start"], span["stop"])
            assert whole[: start + span["start"]] == said.prompt_ids
            assert row["completion_ids"][here] == record["token_ids"]
            assert row["logprobs"][here] == record["logprobs"]
            mask[here] = [1] * len(record["token_ids"])
            trained.append(span["call"])
        assert row["env_mask"] == mask
        assert [one for one, sampled in zip(row["logprobs"], mask, strict=True) if not sampled] == [0.0] * mask.count(0)
        assert row["sampled_tokens"] == sum(mask)
        reward, trunk = runs[row["run"]]
        group = [1.0, 0.0, 0.5] if row["run"].startswith("a") else [1.0]
        group = [0.0, 1.0, 0.0] if trunk else group
        assert (row["reward"], row["group_size"]) == (reward, len(group))
        assert row["advantage"] == pytest.approx(expected_advantage(group, reward), abs=1e-12)
    assert sorted(trained) == sorted(calls), "every call is trained on once"
    assert (done.rows, done.ledger.unaccounted, done.account.unaccounted) == ({"": len(rows)}, 0, 0)
    assert (done.ledger.groups, done.ledger.zero_variance) == (3, 1)


def test_runs_of_other_systems_and_forks_of_other_checkpoints_are_other_groups(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    samples_and_forks(saver)
    store(saver, Stored("d0", conversation("d0", 2, salt=90), "a", system="dyflow", rewards={"exact": 0.0}))
    export(saver, tmp_path / "x.jsonl", format="grpo")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row["group"], set()).add(row["run"])
    assert sorted(map(sorted, groups.values())) == [["a0", "a1", "a2"], ["a1-fork1", "a1-fork2"], ["b0"], ["d0"]]


def test_rows_of_one_run_share_its_advantage_and_split_its_weight(saver: GroupCommitSaver, tmp_path: Path) -> None:
    for number, value in enumerate((1.0, 0.0)):
        broken = [*conversation(f"r{number}", 2), *conversation(f"r{number}", 1, first=3, salt=50)]
        store(saver, Stored(f"r{number}", broken, "t", rewards={"exact": value}))
    export(saver, tmp_path / "x.jsonl", format="grpo")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [row["run"] for row in rows] == ["r0", "r0", "r1", "r1"]
    assert rows[0]["advantage"] == rows[1]["advantage"] == -rows[2]["advantage"]
    assert sum(row["weight"] for row in rows[:2]) == pytest.approx(1.0)


def test_a_run_without_the_reward_is_left_out_and_counted(saver: GroupCommitSaver, tmp_path: Path) -> None:
    samples_and_forks(saver)
    store(saver, Stored("c0", conversation("c0", 3), "c"))
    done = export(saver, tmp_path / "x.jsonl", format="grpo")
    assert done.account.left_out == {"no_reward": 1}
    assert done.ledger.dropped["no_reward"] == 3
    assert (done.ledger.unaccounted, done.account.unaccounted) == (0, 0)
    with pytest.raises(UsageError, match="rewards there are: exact"):
        export(saver, tmp_path / "y.jsonl", format="grpo", reward="exakt")


def test_a_record_without_ids_is_refused_in_one_line_and_nothing_is_written(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    samples_and_forks(saver)
    bare, _ = call("n", 1, [user("q")], "said")
    store(saver, Stored("n", [bare], "zz", rewards={"exact": 1.0}))
    with pytest.raises(UsageError, match=r"n/1/designer/0/0\.0 of vllm:tiny has no token ids") as refusal:
        export(saver, tmp_path / "x.jsonl", format="grpo")
    assert "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("runs.db")] == []
    assert export(saver, tmp_path / "x.jsonl", format="grpo", selection=Selection(tasks=("a",))).rows[""] > 0


def test_several_rewards_of_which_none_is_named_are_refused(saver: GroupCommitSaver, tmp_path: Path) -> None:
    store(saver, Stored("r", conversation("r", 2), "t", rewards={"exact": 1.0, "judge": 0.5}))
    with pytest.raises(UsageError, match="several rewards: exact, judge"):
        export(saver, tmp_path / "x.jsonl", format="grpo")
    export(saver, tmp_path / "x.jsonl", format="grpo", reward="judge")
    assert json.loads((tmp_path / "x.jsonl").read_text())["reward"] == 0.5


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=12))
def test_group_advantages_are_centred_scaled_and_ordered(rewards: list[float]) -> None:
    found = group_advantages(rewards)
    assert sum(found) == pytest.approx(0, abs=1e-6)
    assert all(
        a <= b for (r, a) in zip(rewards, found, strict=True) for (s, b) in zip(rewards, found, strict=True) if r < s
    )
    if (deviation := statistics.stdev(rewards)) > 0.01:
        assert statistics.stdev(found) == pytest.approx(deviation / (deviation + 1e-4), rel=1e-6)


def test_a_group_of_one_or_of_equals_has_no_advantage() -> None:
    assert group_advantages([]) == []
    assert group_advantages([3.0]) == [0.0]
    assert group_advantages([0.1] * 5) == [0.0] * 5


def test_a_log_prob_that_is_no_number_leaves_the_row_out(saver: GroupCommitSaver, tmp_path: Path) -> None:
    calls = conversation("r", 2)
    store(saver, Stored("r", calls, "t", rewards={"exact": 1.0}))
    odd, _ = call("s", 1, [user("q")], "x", ids=[1], sampled=[2], logprobs=[float("-inf")])
    store(saver, Stored("s", [odd], "t", rewards={"exact": 0.0}))
    done = export(saver, tmp_path / "x.jsonl", format="grpo")
    assert done.rows == {"": 1}
    assert (done.ledger.unaccounted, sum(done.ledger.dropped.values())) == (0, 1)
