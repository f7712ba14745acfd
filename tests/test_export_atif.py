"""ATIF documents are valid by the published models, and right where the models do not look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flowwright as fw
import pytest
from export_runs import Stored, call, conversation, forked, operation, store, user
from flowwright.checkpoints.export.export import export
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.graphs.prompt_delta import spoken
from nat.atif import Trajectory


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as made:
        yield made


def documents(path: Path) -> list[tuple[Trajectory, dict[str, Any]]]:
    """Each line, validated, and as it stands."""
    lines = path.read_text().splitlines()
    return [(Trajectory.model_validate_json(line), json.loads(line)) for line in lines]


def calls_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in document["steps"] if step.get("llm_call_count") == 1]


def test_a_document_a_run_and_a_step_a_call_with_the_tokens_of_the_store(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    trunk = Stored("a", conversation("a", 4), "t", rewards={"exact": 1.0})
    store(saver, trunk)
    forked(saver, trunk, 3, [0.0, 1.0])
    done = export(saver, tmp_path / "x.jsonl", format="atif")
    found = {model.session_id: plain for model, plain in documents(tmp_path / "x.jsonl")}
    assert found.keys() == {"a", "a-fork1", "a-fork2"}
    (tree,) = load_trajectories(saver)
    for run in tree.trajectories:
        steps = calls_in(found[run.run])
        assert len(steps) == len(run.calls) == 4
        for step, (record, said) in zip(steps, spoken(run.calls), strict=True):
            metrics = step["metrics"]
            assert metrics["prompt_token_ids"] == said.prompt_ids
            assert metrics["completion_token_ids"] == record["token_ids"]
            assert metrics["logprobs"] == record["logprobs"]
            assert step["message"] == record["reply"]
            assert step["extra"]["flowwright"]["id"] == record["id"]
            assert step["extra"]["flowwright"]["checkpoint"] == record["checkpoint"]
        copied = [step.get("is_copied_context", False) for step in steps]
        assert copied == ([True, True, False, False] if run.origin else [False] * 4)
    facts = found["a"]["extra"]["flowwright"]
    assert [(one["turn"], one["sample"]) for one in facts["forks"]] == [(3, 1), (3, 2)]
    assert found["a-fork1"]["extra"]["flowwright"]["origin"]["run"] == "a"
    assert facts["rewards"] == {"exact": 1.0}
    assert (done.ledger.read, done.ledger.trained, done.ledger.shared, done.ledger.unaccounted) == (12, 8, 4, 0)


def test_a_prompt_is_told_once_message_by_message(saver: GroupCommitSaver, tmp_path: Path) -> None:
    store(saver, Stored("a", conversation("a", 3), "t"))
    export(saver, tmp_path / "x.jsonl", format="atif")
    ((_, document),) = documents(tmp_path / "x.jsonl")
    told = [(step["source"], step["message"]) for step in document["steps"]]
    assert told == [
        ("user", "turn 1"), ("agent", "reply 1 of a"), ("user", "turn 2"), ("agent", "reply 2 of a"),
        ("user", "turn 3"), ("agent", "reply 3 of a"),
    ]  # fmt: skip
    assert document["final_metrics"]["total_steps"] == 6
    filtered = Selection(roles=("executor",))
    export(saver, tmp_path / "y.jsonl", format="atif", selection=filtered)
    ((_, nothing),) = documents(tmp_path / "y.jsonl")
    assert nothing["steps"] == []


def test_ids_and_log_probs_that_do_not_agree_in_number_are_withheld(saver: GroupCommitSaver, tmp_path: Path) -> None:
    short, _ = call("a", 1, [user("q")], "said", ids=[1], sampled=[2, 3], logprobs=[-0.5])
    store(saver, Stored("a", [short], "t"))
    done = export(saver, tmp_path / "x.jsonl", format="atif")
    ((_, document),) = documents(tmp_path / "x.jsonl")
    (step,) = calls_in(document)
    assert not {"completion_token_ids", "prompt_token_ids", "logprobs"} & step["metrics"].keys()
    assert done.account.withheld == 1


def test_planned_operations_and_tool_calls_are_tool_calls_with_observations(
    saver: GroupCommitSaver, tmp_path: Path
) -> None:
    plan, said = call("a", 1, [user("q")], "a plan")
    asked = [
        {"id": "x1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "x2", "type": "function", "function": {"name": "add", "arguments": "[1"}},
    ]
    message = {"role": "assistant", "content": "", "tool_calls": asked}
    tools, called = call("a", 2, [*said.conversation, user("go")], "", parent=said, message=message)
    results = [{"role": "tool", "tool_call_id": "x1", "content": "3"}]
    last, _ = call("a", 3, [*called.conversation, *results], "it is 3", parent=called)
    operations = [operation("op_1_1", "SOLVE"), operation("op_1_2", "CHECK", "failed")]
    store(
        saver,
        Stored("a", [plan, tools, last], "t", operations=operations, planned={plan["id"]: ["op_1_1", "op_1_2"]}),
    )
    export(saver, tmp_path / "x.jsonl", format="atif")
    ((model, document),) = documents(tmp_path / "x.jsonl")
    first, second, third = calls_in(document)
    assert [one["function_name"] for one in first["tool_calls"]] == ["SOLVE", "CHECK"]
    assert [one["content"] for one in first["observation"]["results"]] == ["ok: draft@1", "it broke"]
    assert second["tool_calls"][0]["arguments"] == {"a": 1}
    assert second["tool_calls"][1]["extra"]["flowwright"]["malformed_arguments"] == "[1"
    assert second["observation"]["results"] == [{"source_call_id": "x1", "content": "3"}]
    assert "observation" not in third
    assert len(model.steps) == 5


@pytest.mark.parametrize("system", ["dyflow", "agentflow", "flowsteer"])
def test_real_runs_of_every_system_are_valid(system: str, saver: GroupCommitSaver, tmp_path: Path) -> None:
    graph = fw.build_graph(system, policies=fw.Policies(designer="offline", executor="offline"), checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "a"}}
    graph.invoke({"task": {"question": "What is (3 + 4) * 5 - 2?", "id": "t"}}, config)
    done = export(saver, tmp_path / "x.jsonl", format="atif")
    ((model, document),) = documents(tmp_path / "x.jsonl")
    assert model.schema_version == "ATIF-v1.7"
    assert len(calls_in(document)) == done.ledger.read == graph.get_state(config).values["usage"]["calls"]
    assert any(step.get("tool_calls") for step in document["steps"])
