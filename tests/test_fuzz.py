"""Whatever a designer says, the graph answers within its budget, refuses with a type, and raises nothing."""

from __future__ import annotations

import json
import random
from typing import Any, Final

import pytest
from flowwright import Policies, build_graph
from flowwright.checkpoints.runner import faults_of
from flowwright.graphs.state import State
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from scripted import ANSWER, ScriptedModel, answering, finish, operator, stage

KINDS: Final = {"policy", "tool", "provider", "budget", "internal"}
NAMES: Final = (
    "problem", "draft", "draft@1", "draft@99", "<<draft>>", "original_problem", "__class__", "../../etc/passwd",
    "problem.content", "memory.draft@1.content", "", "@", "a" * 60, "{x}", "\x00", "draft@-1", "draft@1e9",
)  # fmt: skip
OPERATORS: Final = (
    "GENERATE_ANSWER", "REVIEW_SOLUTION", "REFINE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE", "GENERATE_PLAN", "DEFAULT",
    "ORGANIZE_SOLUTION", "TERMINATE", "os.system", "generate_answer",
)  # fmt: skip

designs = st.builds(
    lambda operators, description: json.dumps({"stage_description": description, "operators": operators}),
    st.lists(
        st.builds(
            operator, st.sampled_from(OPERATORS), st.lists(st.sampled_from(NAMES), max_size=4), st.sampled_from(NAMES),
            st.text(max_size=30),
        ),
        max_size=8,
    ),
    st.text(max_size=40),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
anything = st.one_of(
    designs,
    st.builds(finish, st.sampled_from(NAMES)),
    st.text(max_size=200),
    json_values.map(lambda value: json.dumps(value, allow_nan=True)),
    st.builds(lambda key, value: json.dumps({key: value}),
              st.sampled_from(["operators", "finish", "give_up", "stage_description"]), json_values),
)  # fmt: skip


def outcome_of(script: list[str], budget: dict[str, Any]) -> State:
    """The final state of a run whose designer says `script` round and round."""
    designer = ScriptedModel(script=lambda _, number: script[number % len(script)])
    graph = build_graph(
        "dyflow", policies=Policies(designer=designer, executor=answering()), checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "fuzz"}}
    result = graph.invoke({"task": {"question": "What is 6*7?", "budget": budget}}, config)
    state = State(**graph.get_state(config).values)
    assert result["status"] == state["status"]
    return state


def check(state: State, budget: dict[str, Any]) -> None:
    """The laws that hold at the end of every run."""
    assert state["status"] in {"finished", "best_effort", "failed"}
    assert (state["answer"] is None) == (state["status"] == "failed")
    assert all(one["kind"] in KINDS and one["code"] and one["message"] for one in faults_of(state))
    for turn in state["turns"]:
        assert (turn["outcome"] in {"refused", "unanswered"}) == bool(turn["faults"])
    for resource in ("turns", "operations", "calls"):
        assert state["usage"][resource] <= budget[resource]  # type: ignore[literal-required]
    for records, name in ((state["operations"], "id"), (state["memory"], "key")):
        ids = [one[name] for one in records]  # type: ignore[literal-required]
        assert len(set(ids)) == len(ids)


BUDGET: Final = {"turns": 4, "operations": 9, "calls": 25, "repairs": 1}


@given(st.lists(anything, min_size=1, max_size=6))
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_reply_is_answered_or_refused_with_a_type(script: list[str]) -> None:
    check(outcome_of(script, BUDGET), BUDGET)


CORPUS: Final = (
    ANSWER,
    finish("draft"),
    finish("draft@1"),
    stage(operator("GENERATE_ANSWER", ["problem"], "a"), operator("REVIEW_SOLUTION", ["problem", "a"], "b")),
    stage(operator("REFINE_ANSWER", ["problem", "b"], "a"), operator("REFINE_ANSWER", ["problem", "a"], "b")),
    '{"give_up": "too hard"}',
    "<think>" * 50 + ANSWER,
    "{" * 3000,
    "[" * 3000 + "]" * 3000,
    "```json\n" + ANSWER + "\n```\n```json\n{}\n```",
    ANSWER.replace("do it", "\\alpha \\u0000 {problem} {0} %s ${x}"),
    '{"operators": null, "finish": null, "give_up": null}',
    "\ud800 lone surrogate",
)


def mutated(text: str, rng: random.Random) -> str:
    """`text` with a few characters cut, doubled, swapped or replaced."""
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.randrange(1, 20))
        junk = rng.choice(['"', "{", "}", "[", "]", "\\", ",", ":", "\n", "null", "NaN", "\x1b[2J", "</problem>", "é"])
        text = rng.choice([text[:at] + text[end:], text[:at] + junk + text[at:], text[:end] + text[at:], text[at:]])
    return text


@pytest.mark.fuzz
def test_ten_thousand_mutated_replies() -> None:
    rng = random.Random(0)
    said = runs = 0
    while said < 10_000:
        script = [mutated(rng.choice(CORPUS), rng) for _ in range(12)]
        state = outcome_of(script, BUDGET)
        check(state, BUDGET)
        said += len(state["turns"])
        runs += 1
    assert runs > 500
