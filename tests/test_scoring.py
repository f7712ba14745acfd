"""Stored runs are scored again and again; nothing of them runs, and what a reward cannot tell it does not guess."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flowwright as fw
import pytest
from click.testing import CliRunner
from flowwright.checkpoints.annotation import all_rewards_of, rewards_of
from flowwright.checkpoints.forks.fork import fork_runs
from flowwright.checkpoints.scoring import score_runs
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.cli import app
from flowwright.errors import UsageError
from flowwright.graphs.canvas.statistics import gated_reward, structure_score
from flowwright.training.gold import read_gold
from flowwright.training.rewards import REWARDS, Sources, reward_named
from fork_cases import A, designer, graph_on, ran


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as opened:
        yield opened


def score(saver: Any, name: str, gold: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    kind = reward_named(name)
    scorer = kind.scorer(Sources(saver, gold or {}))
    found = score_runs(saver, scorer, name=name, version=kind.version_with(gold or {}), **more)
    return {one.trajectory.thread_id: one for one in found}


def test_runs_and_forks_are_scored_without_a_call(ours: GroupCommitSaver) -> None:
    ran(ours, question="Which number is it?")
    plans = designer()
    graph = graph_on(ours, plans)
    done, begun = fork_runs(graph, "a", at=3, samples=2)
    graph.invoke(None, done.config)
    asked = len(plans.prompts)
    found = score(ours, "exact", {"t1": "42"})
    assert {thread: (one.value, one.stored) for thread, one in found.items()} == {
        "a": (1.0, True),
        "a.3-1": (1.0, True),
    }
    assert begun.thread_id not in found, "a run that goes on is worth nothing yet"
    assert len(plans.prompts) == asked
    assert not any(one.stored for one in score(ours, "exact", {"t1": "42"}).values())
    assert all(one.value == 0.0 and one.stored for one in score(ours, "exact", {"t1": "41"}).values())
    held = ours.get_tuple(A)
    assert [one["value"] for one in all_rewards_of(held)] == [1.0, 0.0]
    assert len({one["version"] for one in all_rewards_of(held)}) == 2, "other answers, another version"
    assert score(ours, "finished")["a"].value == 1.0
    usage = graph.get_state(A).values["usage"]
    assert score(ours, "cost")["a"].value == -(usage["input_tokens"] + usage["output_tokens"]) / 1000
    assert rewards_of(ours.get_tuple(A)).keys() == {"exact", "finished", "cost"}


def test_what_cannot_be_told_is_none_and_not_stored(ours: GroupCommitSaver) -> None:
    graph = graph_on(ours)
    graph.invoke({"task": {"question": "Who was it?"}}, A)
    for name in ("exact", "structure"):
        one = score(ours, name)["a"]
        assert (one.value, one.stored) == (None, False)
    assert rewards_of(ours.get_tuple(A)) == {}


def test_parts_add_up_and_a_selection_holds(ours: GroupCommitSaver) -> None:
    ran(ours)
    ran(ours, "b")
    selection = Selection(threads=("b",))
    (one,) = score_runs(ours, lambda run: {"x": 0.1, "y": 0.2}, name="sum", version="1", selection=selection)
    assert (one.trajectory.thread_id, one.value, one.parts) == ("b", pytest.approx(0.3), {"x": 0.1, "y": 0.2})
    assert rewards_of(ours.get_tuple(A)) == {}
    with pytest.raises(UsageError, match="finite"):
        list(score_runs(ours, lambda run: float("inf"), name="bad", version="1"))


def test_flowsteers_reward_is_equation_14_of_the_stored_canvas(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    policies = fw.Policies(designer="offline", executor="offline")
    with fw.open_checkpointer(url) as saver:
        graph = fw.build_graph("flowsteer", policies=policies, checkpointer=saver)
        graph.invoke({"task": {"question": "What is 3*(4+5)?", "id": "x"}}, A)
        sources = Sources(saver, {"x": "27"})
        (one,) = score_runs(saver, REWARDS["structure"].scorer(sources), name="structure", version="1")
        canvas = sources.canvas(one.trajectory)
        assert canvas is not None
        assert one.value == pytest.approx(gated_reward(structure_score(canvas), 1.0))
        assert one.parts.keys() == {"structure", "answer"}


def test_gold_answers_of_a_task_file(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    rows = [{"question": "q", "id": 7, "answer": 42}, {"question": "r", "gold": {"answer": "x"}}, {"question": "s"}]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert read_gold(file) == {"7": "42", "1": "x"}
    file.write_text('{"question": "q"}')
    with pytest.raises(UsageError, match=r"no row of .* has an answer"):
        read_gold(file)


class TestCommands:
    """`flowwright fork` and `flowwright score`."""

    def call(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        from flowwright.cli import main

        result = CliRunner().invoke(app, arguments, standalone_mode=False)
        if code:
            with pytest.raises(SystemExit) as left:
                main([*arguments])
            assert left.value.code == code
            return []
        assert result.exception is None, result.exception
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_fork_and_score(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        db = ("--db", f"sqlite:///{tmp_path}/runs.db")
        self.call("run", "What is 3*(4+5)?", "--thread", "a", "--json", *db)
        found = self.call("fork", "a", "--at", "2", "--samples", "3", "--json", *db)
        assert sorted(one["thread_id"] for one in found) == ["a.2-1", "a.2-2", "a.2-3"]
        assert {(one["status"], one["correct"], one["origin"]["turn"]) for one in found} == {("finished", True, 2)}
        assert len({one["seed"] for one in found}) == 3
        (edit := tmp_path / "edit.json").write_text('{"budget": {"turns": 2}}')
        (one,) = self.call("fork", "a", "--at", "1", "--edit", f"@{edit}", "--json", *db)
        assert one["usage"]["turns"] <= 2
        scored = self.call("score", "--reward", "exact", "--json", *db)
        assert {(one["thread"], one["value"], one["stored"]) for one in scored} >= {
            ("a", 1.0, True),
            ("a.2-3", 1.0, True),
        }
        assert len({one["group"] for one in scored}) == 3
        assert not any(one["stored"] for one in self.call("score", "--reward", "exact", "--json", *db))
        assert len(self.call("score", "--reward", "cost", "--filter", "thread=a,a.2-1", "--json", *db)) == 2
        capsys.readouterr()
        for arguments, says in (
            (("fork", "a", "--at", "9"), "no turn 9"), (("fork", "b", "--at", "1"), "no thread 'b'"),
            (("fork", "a", "--at", "1", "--samples", "0"), "0 samples"),
            (("fork", "a", "--at", "1", "--edit", "{"), "not JSON"), (("fork", "a", "--at", "1", "--edit", "[]"), "[]"),
            (("fork", "a", "--at", "1", "--edit", "@nowhere"), "cannot read the edit"),
            (("score", "--reward", "nope"), "no reward 'nope'"), (("score", "--reward", "structure"), "none of these"),
            (("score", "--reward", "cost", "--filter", "thread=zzz"), "no run that has ended"),
            (("score", "--reward", "cost", "--filter", "colour=red"), "colour"),
        ):  # fmt: skip
            self.call(*arguments, *db, code=2)
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("flowwright: ")
            assert says in line
