"""A system of one's own is one short file: it gets the roles, the records, the budgets, resume and feedback for nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flowwright as fw
from canvas_script import THREAD
from react import ReAct
from scripted import ScriptedModel

HERE = Path(__file__).parent


def model(*steps: dict[str, Any]) -> ScriptedModel:
    said: list[int] = []

    def script(prompt: str, _: int) -> str:
        if prompt.startswith("Answer the question by"):
            said.append(1)
            return json.dumps(steps[min(len(said), len(steps)) - 1])
        return '{"expression": "6*7"}' if "caller of one tool" in prompt else "It is 42.\nAnswer: 42"

    return ScriptedModel(script=script)


def step(act: str | None, input: str = "") -> dict[str, Any]:
    return {"thought": "so", "act": act, "input": input}


def test_react_runs_is_refused_and_mended_and_answers(tmp_path: Path) -> None:
    player = model(step("Calculater", "6*7"), step("calculator", "6*7"), step(None))
    with fw.open_checkpointer(f"sqlite:///{tmp_path}/runs.db") as saver:
        policies = fw.Policies(designer=player, executor=player)
        graph = fw.build_graph(ReAct(), policies=policies, checkpointer=saver)
        result = graph.invoke({"task": {"question": "What is 6*7?"}}, THREAD)
        state = graph.get_state(THREAD).values
    assert (result["status"], result["answer"]) == ("finished", "42")
    assert [one["outcome"] for one in state["turns"]] == ["refused", "plan", "finish"]
    assert "did you mean CALCULATOR?" in state["turns"][0]["faults"][0]["expected"]
    assert [(one["operator"], one["arguments"], one["status"]) for one in state["operations"]] == [
        ("CALCULATOR", {"expression": "6*7"}, "ok")
    ]


def test_it_stops_at_its_budget_with_the_best_it_has() -> None:
    player = model(step("CALCULATOR", "6*7"))
    graph = fw.build_graph(ReAct(), policies=fw.Policies(designer=player, executor=player))
    result = graph.invoke({"task": {"question": "What is 6*7?", "budget": {"turns": 2}}})
    assert (result["status"], result["answer"], result["usage"]["turns"]) == ("best_effort", "42", 2)


def test_it_is_short_and_the_documentation_shows_it_as_it_is() -> None:
    source = (HERE / "react.py").read_text()
    assert len(source.splitlines()) < 150
    assert source.strip() in (HERE.parent / "docs" / "systems.md").read_text()
