"""Rows of text: what is worth imitating, what is good or bad, which of two is better; each once, mixed, and balanced."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from export_runs import Stored, call, conversation, operation, store, user
from flowwright.checkpoints.export.export import export
from flowwright.checkpoints.export.exported import Exported
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.errors import UsageError
from flowwright.graphs.faults import fault

DESIGNER = Selection(roles=("designer",))


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as made:
        yield made


def rows(done: Exported, split: str = "") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.paths[split].read_text().splitlines()]


def loaded(path: Path, tmp_path: Path) -> list[dict[str, Any]]:
    import datasets

    kind = "parquet" if path.suffix == ".parquet" else "json"
    found = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    return [*found]


def repaired(run: str, task: str, success: float) -> Stored:
    """A run whose first design is refused, and whose executor fails by a tool, by its own reply and by its server."""
    question = user(f"design for {task}")
    first, said = call(run, 1, [question], "no json", place="0")
    repair = [question, said.reply, user("refused: operators are missing")]
    second, _ = call(run, 1, repair, f'{{"stage": "{run}"}}', place="1", parent=said, at=[1, 1, 1, 0, 0])
    done, _ = call(run, 1, [user("solve")], f"answer of {run}", role="executor", place="op_1_1", at=[1, 2, 0, 0, 0])
    lost, _ = call(run, 1, [user("check")], f"check of {run}", role="executor", place="op_1_2", at=[1, 2, 1, 0, 0])
    odd, _ = call(run, 1, [user("vote")], f"vote of {run}", role="executor", place="op_1_3", at=[1, 2, 2, 0, 0])
    gone, _ = call(
        run, 1, [user("test")], "", role="executor", place="op_1_4", at=[1, 2, 3, 0, 0], error="server: HTTP 500"
    )
    blamed = fault("policy", "schema", "it is no vote")
    operations = [
        operation("op_1_1", "SOLVE"), operation("op_1_2", "CHECK", "failed"),
        operation("op_1_3", "VOTE", "failed", fault=blamed), operation("op_1_4", "TEST", "failed"),
    ]  # fmt: skip
    return Stored(
        run, [first, second, done, lost, odd, gone], task, system="dyflow", rewards={"exact": success}, operations=operations,
        outcomes={first["id"]: "refused"},
    )  # fmt: skip


def test_sft_has_what_the_runtime_accepted(saver: GroupCommitSaver, tmp_path: Path) -> None:
    store(saver, repaired("r", "t", 0.0))
    done = export(saver, tmp_path / "x.jsonl", format="sft")
    found = {row["call"]: row for row in rows(done)}
    assert {id.split("/")[3] for id in found} == {"1", "op_1_1"}
    row = found["r/1/designer/1/0.0"]
    assert [one["role"] for one in row["prompt"]] == ["user", "assistant", "user"]
    assert row["completion"] == [{"role": "assistant", "content": '{"stage": "r"}'}]
    assert (row["task"], row["system"], row["status"], row["version"]) == ("t", "dyflow", "plan", "tiny@1")
    assert done.account.left_out == {"rejected": 3}
    assert done.ledger.dropped == {"rejected": 3, "failed": 1}
    assert (done.ledger.unaccounted, done.account.unaccounted) == (0, 0)


def test_a_reply_that_was_cut_is_not_imitated(saver: GroupCommitSaver, tmp_path: Path) -> None:
    whole, _ = call("r", 1, [user("q")], "whole")
    cut, _ = call("r", 2, [user("p")], "cu", finish_reason="length")
    store(saver, Stored("r", [whole, cut], "t"))
    done = export(saver, tmp_path / "x.jsonl", format="sft")
    assert [row["completion"][0]["content"] for row in rows(done)] == ["whole"]
    assert done.account.left_out == {"truncated": 1}


def test_sft_by_reward_has_successful_runs_only(saver: GroupCommitSaver, tmp_path: Path) -> None:
    for number, value in enumerate((1.0, 0.4, 0.6)):
        store(saver, Stored(f"r{number}", conversation(f"r{number}", 2), f"t{number}", rewards={"exact": value}))
    done = export(saver, tmp_path / "x.jsonl", format="sft", reward="exact")
    assert {row["run"] for row in rows(done)} == {"r0", "r2"}
    done = export(saver, tmp_path / "y.jsonl", format="sft", reward="exact", success_at=0.9)
    assert {row["run"] for row in rows(done)} == {"r0"}
    assert done.account.left_out == {"not_successful": 4}


def test_kto_labels_by_acceptance_and_by_success(saver: GroupCommitSaver, tmp_path: Path) -> None:
    store(saver, repaired("good", "t", 1.0))
    store(saver, repaired("bad", "u", 0.0))
    by_acceptance = {row["call"]: row for row in rows(export(saver, tmp_path / "x.jsonl", format="kto"))}
    assert {id: row["label"] for id, row in by_acceptance.items() if row["run"] == "bad"} == {
        "bad/1/designer/0/0.0": False, "bad/1/designer/1/0.0": True,
        "bad/1/executor/op_1_1/0.0": True, "bad/1/executor/op_1_3/0.0": False,
    }  # fmt: skip
    assert by_acceptance["bad/1/designer/0/0.0"]["faults"] == "policy/schema"
    assert by_acceptance["bad/1/executor/op_1_3/0.0"]["faults"] == "policy/schema"
    assert "operators" in by_acceptance["bad/1/designer/0/0.0"]["feedback"]
    done = export(saver, tmp_path / "y.jsonl", format="kto", reward="exact", negatives=False)
    assert {row["call"]: row["label"] for row in rows(done)} == {
        "good/1/designer/1/0.0": True, "good/1/executor/op_1_1/0.0": True, "good/1/executor/op_1_2/0.0": True,
        "bad/1/designer/1/0.0": False, "bad/1/executor/op_1_1/0.0": False, "bad/1/executor/op_1_2/0.0": False,
    }  # fmt: skip
    assert done.account.labels == {"good": 3, "bad": 3}


def test_dpo_pairs_replies_to_the_same_prompt_only(saver: GroupCommitSaver, tmp_path: Path) -> None:
    store(saver, repaired("good", "t", 1.0))
    store(saver, repaired("bad", "t", 0.0))
    right, _ = call("right", 1, [user("design for t")], '{"stage": "first try"}')
    store(saver, Stored("right", [right], "t", system="dyflow", rewards={"exact": 1.0}))
    done = export(saver, tmp_path / "x.jsonl", format="dpo", selection=DESIGNER)
    pairs = {(row["chosen"][0]["content"], row["rejected"][0]["content"]): row for row in rows(done)}
    assert {pair: row["reason"] for pair, row in pairs.items()} == {
        ('{"stage": "first try"}', "no json"): "refused",
        ('{"stage": "good"}', '{"stage": "bad"}'): "reward",
    }
    assert pairs['{"stage": "good"}', '{"stage": "bad"}']["margin"] == 1.0
    assert pairs['{"stage": "first try"}', "no json"]["prompt"] == [user("design for t")]
    assert pairs['{"stage": "first try"}', "no json"]["rejected_faults"] == "policy/schema"
    assert done.ledger.dropped == {"filtered": 8, "duplicate": 1}
    assert done.ledger.unaccounted == 0


def test_of_many_replies_each_worse_one_is_rejected_once_and_equal_ones_never_pair(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    for number, value in enumerate((1.0, 1.0, 0.0, 0.5, 0.0)):
        one, _ = call(f"r{number}", 1, [user("q")], f"reply {number}")
        store(saver, Stored(f"r{number}", [one], "t", rewards={"exact": value}))
    found = rows(export(saver, tmp_path / "x.jsonl", format="dpo"))
    assert sorted(row["rejected_run"] for row in found) == ["r2", "r3", "r4"]
    assert Counter(row["chosen_run"] for row in found).keys() == {"r0", "r1"}
    assert all(row["margin"] > 0 for row in found)


def test_phase_one_of_dyflow_is_the_designs_of_successful_runs_each_once(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    for run, success in (("good", 1.0), ("again", 1.0), ("bad", 0.0)):
        stored = repaired(run, "t", success)
        if run == "again":
            same, _ = call("again", 1, [user("design for t")], "the same design")
            stored = Stored("again", [same], "t", system="dyflow", rewards={"exact": 1.0})
        store(saver, stored)
    twin, _ = call("twin", 1, [user("design for t")], "the same design")
    store(saver, Stored("twin", [twin], "t", system="dyflow", rewards={"exact": 1.0}))
    store(saver, Stored("other", conversation("other", 2), "o", rewards={"exact": 1.0}))
    done = export(saver, tmp_path / "x.jsonl", preset="dyflow-phase1")
    found = rows(done)
    assert sorted(row["completion"][0]["content"] for row in found) == ["the same design", '{"stage": "good"}']
    assert {row["role"] for row in found} == {"designer"}
    assert done.account.left_out == {"rejected": 2, "not_successful": 1, "duplicate": 1}
    assert done.ledger.unselected == 1


def many(saver: GroupCommitSaver, good: int, bad: int, system: str = "dyflow") -> None:
    for number in range(good + bad):
        run = f"{system}{number:03}"
        one, said = call(run, 1, [user(f"task {number}")], f"first design {number}")
        two, _ = call(run, 2, [*said.conversation, user("next")], f"second design {number}", parent=said)
        store(saver, Stored(run, [one, two], f"t{number}", system=system, rewards={"exact": float(number < good)}))


def test_phase_two_of_dyflow_inherits_success_is_balanced_and_mixed(saver: GroupCommitSaver, tmp_path: Path) -> None:
    many(saver, 24, 8)
    store(saver, repaired("broken", "tb", 1.0))
    done = export(saver, tmp_path / "x.jsonl", preset="dyflow-phase2", seed=3)
    found = rows(done)
    assert Counter(row["label"] for row in found) == {True: 16, False: 16}
    assert done.account.left_out == {"rejected": 1, "unbalanced": 33}
    assert all(row["label"] == (row["reward"] >= 0.5) for row in found)
    neighbours = sum(a["run"] == b["run"] for a, b in pairwise(found))
    assert neighbours < 6, "stages of one run must not stand together"
    other = rows(export(saver, tmp_path / "y.jsonl", preset="dyflow-phase2", seed=4))
    assert {row["call"] for row in other} != {row["call"] for row in found}
    with_refused = export(saver, tmp_path / "z.jsonl", preset="dyflow-phase2", negatives=True)
    assert [row["faults"] for row in rows(with_refused) if row["status"] == "refused"] == ["policy/schema"]


def test_the_same_design_with_both_labels_gets_that_of_the_majority_or_none(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    for task, values in {"won": (1.0, 1.0, 0.0), "tied": (1.0, 0.0)}.items():
        for number, value in enumerate(values):
            one, _ = call(f"{task}{number}", 1, [user(task)], "one and the same")
            store(saver, Stored(f"{task}{number}", [one], task, rewards={"exact": value}))
    done = export(saver, tmp_path / "x.jsonl", format="kto", reward="exact")
    assert [(row["task"], row["label"]) for row in rows(done)] == [("won", True)]
    assert done.account.left_out == {"duplicate": 1, "outvoted": 1, "tied": 2}
    assert (done.account.unaccounted, done.ledger.unaccounted, done.ledger.rows) == (0, 0, 1)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("format", ["sft", "kto", "dpo"])
def test_datasets_loads_what_was_written(format: str, suffix: str, saver: GroupCommitSaver, tmp_path: Path) -> None:
    for number in range(4):
        store(saver, repaired(f"r{number}", f"t{number % 2}", float(number < 2)))
    done = export(saver, tmp_path / f"x.{suffix}", format=format, selection=Selection(systems=("dyflow",)))
    found = loaded(done.paths[""], tmp_path)
    assert len(found) == done.rows[""] > 0
    columns = {"sft": {"completion"}, "kto": {"completion", "label"}, "dpo": {"chosen", "rejected"}}[format]
    assert columns | {"prompt", "task", "system", "role"} <= found[0].keys()
    assert all(value is not None for row in found for name, value in row.items())
    texts = rows(export(saver, tmp_path / "again.jsonl", format=format, selection=Selection(systems=("dyflow",))))
    for row, text in zip(found, texts, strict=True):
        assert [one["content"] for one in row["prompt"]] == [one["content"] for one in text["prompt"]]
        assert {name: row[name] for name in ("task", "system", "role")} == {
            name: text[name] for name in ("task", "system", "role")
        }


def test_a_reader_that_judges_a_file_by_its_beginning_is_right(saver: GroupCommitSaver, tmp_path: Path) -> None:
    """`datasets` takes the columns of the first 10 MB for those of all: tool calls that come later must be announced."""
    calls = []
    padding = "x" * 200_000
    for number in range(90):
        one, _ = call("r", number + 1, [user(f"{number} {padding}")], f"reply {number}")
        calls.append(one)
    called = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": "", "tool_calls": [called]}
    prompt = [user("add"), message, {"role": "tool", "tool_call_id": "a", "content": "3"}]
    rich, _ = call("r", 91, prompt, "it is 3")
    store(saver, Stored("r", [*calls, rich], "t"))
    for seed in range(2):
        done = export(saver, tmp_path / f"x{seed}.jsonl", format="sft", seed=seed)
        assert done.paths[""].stat().st_size > 15_000_000
        found = loaded(done.paths[""], tmp_path)
        assert len(found) == 91
        (row,) = (one for one in found if one["turn"] == 91)
        assert row["prompt"][1]["tool_calls"][0]["function"]["name"] == "add"


def test_a_preset_and_another_format_do_not_go_together(saver: GroupCommitSaver, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dyflow-phase1 is sft, not kto"):
        export(saver, tmp_path / "x.jsonl", format="kto", preset="dyflow-phase1")
    store(saver, Stored("r", conversation("r", 1), "t", system="dyflow"))
    with pytest.raises(UsageError, match="no run has a reward"):
        export(saver, tmp_path / "x.jsonl", preset="dyflow-phase2")
