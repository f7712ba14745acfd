"""JSON actions and JSON canvases: the schema is the source of truth, and what is refused is refused line by line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from canvas_cases import OPERATORS, PROMPT, Director, Session, canvases, one, parallel
from flowwright.graphs.canvas.action import ACTIONS, Action, Add, AddLoop, Finish
from flowwright.graphs.canvas.board import Board
from flowwright.graphs.canvas.limits import DEFAULT_LIMITS, PUBLISHED_LIMITS, CanvasLimits
from flowwright.graphs.canvas.node import Canvas
from flowwright.graphs.canvas.schema import action_schema
from flowwright.graphs.canvas.wire import ACTION, read_json
from flowwright.policies.action import find_action
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

SCHEMA = action_schema(list(OPERATORS), DEFAULT_LIMITS)
VALIDATOR = Draft202012Validator(SCHEMA)
NULLS: dict[str, Any] = {"after": None, "into": None, "position": None}
FAILS = {"test": "passes", "negate": True}


def dumped(action: Action) -> dict[str, Any]:
    """The action with every field, as a constrained model has to write it."""
    found = ACTION.dump_python(action, mode="json")
    assert isinstance(found, dict)
    return found


# -- reading


def test_an_action_may_leave_out_what_is_optional() -> None:
    assert read_json({"action": "add", "operator": "Plan", "prompt": "p"}) == Add(operator="Plan", prompt="p")
    assert read_json({"action": "finish"}) == Finish()
    assert read_json({"action": "loop", "body": [{"kind": "operator", "operator": "Plan"}]}) == read_json(
        {"action": "loop", "body": [one("Plan", None)], "times": None, "until": None, **NULLS}
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "action: missing; one of add, parallel"),
        ({"action": "remove"}, "there is no action 'remove'; did you mean delete?"),
        ({"action": 3}, "action: missing"),
        ({"action": "delete"}, "target: Field required"),
        ({"action": "add", "operator": "Plan", "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"action": "add", "operator": 3}, "operator: Input should be a valid string"),
        ({"action": "undo", "edits": "1"}, "edits: Input should be a valid integer"),
        ({"action": "loop", "body": [one("Plan")], "times": True}, "times: Input should be a valid integer"),
        ({"action": "parallel", "branches": [[{"kind": "ring"}]]}, "branches.0.0: Input tag 'ring'"),
        ({**parallel("Plan"), "into": {"node": "node_1", "part": "roof"}}, "into.part: String should match"),
        ({"action": "modify", "target": "node_1", "when": {"test": "luck"}}, "when: Input tag 'luck'"),
        ({"action": "inspect", "node": "node_1", "span": [1]}, "span.1: Field required"),
    ],
)
def test_a_bad_action_is_told_what_is_wrong_with_it(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        read_json(said)
    assert "\n" not in str(caught.value)


def test_every_unmet_constraint_is_one_line() -> None:
    with pytest.raises(ValueError, match="position: Input should be a valid integer; operator: Field required"):
        read_json({"action": "add", "position": "x"})


def test_deep_nesting_is_refused_and_raises_nothing_else() -> None:
    node: dict[str, Any] = one("Plan")
    for _ in range(2_000):
        node = {"kind": "loop", "body": [node], "times": 1}
    with pytest.raises(ValueError, match="body"):
        read_json({"action": "loop", "body": [node]})


def test_an_action_is_found_in_a_reply() -> None:
    text = f"<think>{{}}</think>So:\n```json\n{json.dumps(parallel('Custom', 'Plan'))}\n```"
    assert find_action(text, read_json).action == "parallel"


# -- the schema for constrained decoding


def everything() -> list[dict[str, Any]]:
    """One full action of every form."""
    inner = {"kind": "conditional", "condition": one("Test"), "when": FAILS, "then": [one("Revise")], "otherwise": []}
    loop = {
        "action": "loop",
        "body": [one("Programmer"), inner],
        "times": 2,
        "until": {"test": "passes", "negate": False},
    }
    free = {"operator": None, "prompt": None, "times": None, "until": None, "when": None}
    return [
        {"action": "add", "operator": "Plan", "prompt": "p", **NULLS},
        {**loop, **NULLS, "after": "node_1"},
        {**loop, **NULLS, "until": None, "into": {"node": "node_2", "part": "new_branch"}, "position": 0},
        parallel("Custom", "Plan", **NULLS),
        {"action": "conditional", "condition": one("Verify"), "when": {"test": "verdict", "among": ["accept"], "negate": False},
         "then": [one("Custom")], "otherwise": [one("Plan")], **NULLS},
        {"action": "delete", "target": "node_1"},
        {"action": "modify", "target": "node_1", **free, "until": "never"},
        {"action": "modify", "target": "node_1", **free, "when": {"test": "support", "at_least": 0.5, "negate": True}},
        {"action": "set_prompt", "target": "node_1", "prompt": "p"},
        {"action": "finish", "answer": None},
        {"action": "cancel"},
        {"action": "undo", "edits": 1},
        {"action": "inspect", "node": "node_1", "span": [0, 10]},
    ]  # fmt: skip


def test_the_schema_is_a_schema_with_a_form_for_every_action() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    named = {form["properties"]["action"]["const"] for form in SCHEMA["anyOf"]}
    assert named == set(ACTIONS)
    for form in (*SCHEMA["anyOf"], *(part for part in SCHEMA["$defs"].values() if "properties" in part)):
        assert form["required"] == list(form["properties"])
        assert form["additionalProperties"] is False


@pytest.mark.parametrize("said", everything(), ids=lambda said: said["action"])
def test_what_fits_the_schema_is_read_and_written_back_the_same(said: dict[str, Any]) -> None:
    VALIDATOR.validate(said)
    assert dumped(read_json(said)) == said


@pytest.mark.parametrize(
    "said",
    [
        {"action": "add", "operator": "Foo", "prompt": "p", **NULLS},
        {"action": "add", "operator": "Plan", "prompt": "", **NULLS},
        {"action": "add", "operator": "Plan", "prompt": "p"},
        parallel("Plan", **NULLS),
        parallel(*["Plan"] * 6, **NULLS),
        {"action": "loop", "body": [one("Plan")], "times": 6, "until": None, **NULLS},
        {"action": "undo", "edits": 0},
        {"action": "remove"},
    ],
)
def test_what_the_limits_forbid_does_not_fit_the_schema(said: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(said)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_schema_nests_as_deep_as_the_limits_and_no_deeper(depth: int) -> None:
    validator = Draft202012Validator(action_schema(list(OPERATORS), CanvasLimits(depth=depth)))

    def nested(levels: int) -> dict[str, Any]:
        node = one("Plan")
        for _ in range(levels - 1):
            node = {"kind": "loop", "body": [node], "times": 1, "until": None}
        return {"action": "loop", "body": [node], "times": 1, "until": None, **NULLS}

    assert validator.is_valid(nested(depth))
    assert not validator.is_valid(nested(depth + 1))


def test_nothing_nests_where_no_structure_is_allowed() -> None:
    forms = action_schema(["Plan"], CanvasLimits(depth=0))["anyOf"]
    assert "loop" not in {form["properties"]["action"]["const"] for form in forms}


def test_the_schema_stays_small_and_defines_nothing_it_does_not_use() -> None:
    written = json.dumps(SCHEMA)
    assert all(f'"#/$defs/{name}"' in written for name in SCHEMA["$defs"])
    assert len(written) < 12_000
    assert len(json.dumps(action_schema(list(OPERATORS), PUBLISHED_LIMITS))) < 12_000


@given(st.integers(0, 2**32))
def test_what_is_applied_under_the_limits_fits_the_schema(seed: int) -> None:
    session, director = Session(), Director(seed)
    for _ in range(6):
        director.ids = session.ids
        try:
            session.say(director.json_action())
        except ValueError:
            continue
    for edit in session.board.edits:
        VALIDATOR.validate(dumped(edit.action))


# -- the canvas itself


@given(canvases)
def test_json_to_canvas_to_json_is_the_identity(canvas: Canvas) -> None:
    written = canvas.model_dump(mode="json")
    Draft202012Validator(Canvas.model_json_schema()).validate(written)
    assert json.loads(json.dumps(written)) == written
    read = Canvas.model_validate(written)
    assert read == canvas
    assert read.model_dump(mode="json") == written


def test_a_board_that_waits_survives_json() -> None:
    session = Session(two_step=True)
    session.say({"action": "loop", "body": [one("Programmer", None), one("Test", None)], "times": 2})
    session.board = Board.of(json.loads(json.dumps(session.board.as_json())))
    assert session.board.awaited == ("Programmer", "node_2", 1, 2)
    assert isinstance(session.board.pending and session.board.pending.action, AddLoop)
    assert PROMPT not in json.dumps(session.board.as_json())
