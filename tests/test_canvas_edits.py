"""The canvas as data: an edit is applied whole or refused with all that is wrong with it, and nothing is ever stuck."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from canvas_cases import (
    OPERATORS,
    PROMPT,
    Director,
    Session,
    canvases,
    codes,
    one,
    parallel,
    published,
    tags,
)  # fmt: skip
from flowwright.graphs.canvas.action import Add, Cancel, Modify
from flowwright.graphs.canvas.board import Board, replayed
from flowwright.graphs.canvas.diff import diff
from flowwright.graphs.canvas.dsl import canvas_of, dsl_of
from flowwright.graphs.canvas.edit import apply, give_prompt
from flowwright.graphs.canvas.finish import TRAINING_RULES, FinishRules, unmet
from flowwright.graphs.canvas.limits import CanvasLimits
from flowwright.graphs.canvas.node import Canvas
from flowwright.graphs.faults import Refused
from hypothesis import given, settings
from hypothesis import strategies as st

PASSES: dict[str, Any] = {"test": "passes"}


# -- the numbered cases of the published system, and what we do there


def test_g1_an_unknown_node_is_refused_with_the_nodes_there_are() -> None:
    session = Session().add("Plan", "Custom")
    (fault,) = session.refused({"action": "delete", "target": "node_99"})
    assert (fault["code"], fault["expected"]) == ("unknown_node", "node_1, node_2")


def test_g2_the_last_node_of_a_branch_goes_with_it_while_two_branches_remain() -> None:
    session = Session()
    session.say(parallel("Custom", "Programmer", "AnswerGenerate"))
    session.say({"action": "delete", "target": "node_3"})
    assert session.dsl == "[Custom, AnswerGenerate]"
    (fault,) = session.refused({"action": "delete", "target": "node_4"})
    assert fault["code"] == "child_of_structure"
    assert fault["expected"] == "delete node_1, or modify node_4"


def test_g3_an_id_is_never_given_twice() -> None:
    session = Session().add("Plan", "Custom", "Verify")
    session.say({"action": "delete", "target": "node_1"})
    assert session.add("Format").ids == ["node_2", "node_3", "node_4"]
    session.say({"action": "modify", "target": "node_4", "prompt": "Give the number alone."})
    session.say({"action": "undo", "edits": 2})
    assert session.add("Review").ids == ["node_2", "node_3", "node_5"]


def test_g4_an_aggregator_inside_a_parallel_is_refused_with_advice() -> None:
    (fault,) = Session().refused(parallel("Custom", "ScEnsemble"))
    assert (fault["code"], fault["expected"]) == ("aggregator_in_parallel", "ScEnsemble after the parallel")


def test_g4_ours_an_aggregator_may_follow_a_parallel_within_a_branch() -> None:
    inner = {"kind": "parallel", "branches": [[one("Custom")], [one("Custom")]]}
    said = {"action": "parallel", "branches": [[inner, one("Aggregate")], [one("Programmer")]]}
    session = Session()
    session.say(said)
    assert session.dsl == "[([Custom, Custom] -> Aggregate), Programmer]"


def test_e1_an_unknown_operator_is_refused_in_the_same_turn_and_no_prompt_is_awaited() -> None:
    session = published()
    (fault,) = session.refused(tags("add", operator="Verfy"))
    assert fault["code"] == "unknown_operator"
    assert (fault["expected"] or "").startswith("did you mean Verify? one of Plan, ")
    assert session.board.pending is None


def test_e2_modify_of_a_structure_is_refused_in_the_same_turn() -> None:
    session = published()
    for said in (tags("add", structure="parallel", operators="Custom, Programmer"), PROMPT, PROMPT):
        session.say(said)
    (fault,) = session.refused(tags("modify", target="node_1", operator="Custom"))
    assert fault["code"] == "not_an_operator_node"
    assert session.board.pending is None


def waiting() -> Session:
    session = published()
    session.say(tags("add", operator="Custom"))
    return session


@pytest.mark.parametrize(
    ("row", "said", "code"),
    [
        ("E3", tags("finish"), "expected_prompt"),
        ("E4", "ok", "prompt_too_short"),
        ("E5", "<think>I should write a prompt", "think_only"),
        ("E6", tags("delete", target="node_1"), "expected_prompt"),
        ("E6", tags("add", operator="Plan"), "expected_prompt"),
        ("E6", "<action>delete<target>node_1</target>", "expected_prompt"),
    ],
)
def test_e3_to_e6_what_is_no_prompt_is_refused_with_a_type_and_the_wait_goes_on(row: str, said: str, code: str) -> None:
    session = waiting()
    assert codes(session.refused(said))[0] == code, row
    assert session.say(PROMPT).description == "+ node_1 Custom at the start"


def test_e3_ours_cancel_ends_the_wait() -> None:
    session = waiting()
    applied = session.say(tags("cancel"))
    assert (applied.changed, applied.board) == (False, Board.empty())


def test_e7_every_unmet_rule_is_told_at_once_in_order() -> None:
    rules = FinishRules(6, require_structure=True, require_checker=True, require_test=True, require_format=True)
    told = unmet(Canvas(), rules, answer="First, I see.\nThen I know.")
    assert codes(told) == ["empty", "too_short", "no_structure", "no_solver", "no_checker", "no_test", "not_concise"]
    alone = unmet(canvas_of("Plan"), rules, answer="Step 1: divide")
    assert codes(alone) == ["too_short", "no_structure", "no_solver", "no_checker", "no_test", "not_concise"]


def test_e8_the_answer_of_a_finish_is_kept_on_record_and_changes_nothing() -> None:
    session = Session().add("Custom")
    before = session.board
    applied = session.say({"action": "finish", "answer": "345"})
    assert (applied.board, applied.changed) == (before, False)


def test_e10_ours_edits_beyond_the_limit_are_refused_and_the_board_is_still_editable() -> None:
    session = Session(limits=CanvasLimits(operators=2)).add("Plan", "Custom")
    (fault,) = session.refused({"action": "add", "operator": "Format", "prompt": PROMPT})
    assert (fault["code"], fault["expected"]) == ("too_many_operators", "2 at most")
    session.say({"action": "modify", "target": "node_2", "operator": "Format"})


def test_e11_deleting_the_only_node_leaves_an_empty_workflow_that_counts_as_changed() -> None:
    session = Session().add("Custom")
    applied = session.say({"action": "delete", "target": "node_1"})
    assert applied.changed
    assert session.board.canvas == Canvas(next_number=2)


def test_e14_what_the_rules_ask_for_can_be_built_and_is_then_accepted() -> None:
    session = Session().add("Plan")
    session.say(parallel("Custom", "Programmer"))
    session.add("Aggregate", "Verify", "Format")
    assert unmet(session.board.canvas, TRAINING_RULES, answer="a long\nanswer") == []


def test_e15_a_skeleton_without_aggregator_is_one_edit_that_still_has_to_run() -> None:
    applied = Session(limits=CanvasLimits(branches=6)).say(parallel("Format", "Verify", *["Custom"] * 4))
    assert applied.changed
    assert len(applied.nodes) == 7


def test_e16_the_published_code_template_lacks_what_the_rules_name() -> None:
    template = canvas_of("Plan -> Programmer -> Test -> Format")
    assert codes(unmet(template, TRAINING_RULES, answer="42")) == ["too_short", "no_structure"]


# -- what an edit may say


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        (parallel("Custom"), "too_few_branches", "to have one operator alone, add it"),
        ({"action": "parallel", "branches": []}, "too_few_branches", "2 to 5"),
        (parallel(*["Custom"] * 6), "out_of_range", "2 to 5"),
        ({"action": "loop", "body": [one("Custom")], "times": 6}, "out_of_range", "1 to 5"),
        ({"action": "loop", "body": [], "times": 2}, "empty_sequence", "at least one"),
        ({"action": "conditional", "condition": one("Test"), "then": []}, "empty_sequence", "at least one"),
        (
            {"action": "conditional", "condition": one("Plan"), "then": [one("Custom")]},
            "predicate_kind",
            "Review, Verify",
        ),
        ({"action": "loop", "body": [one("Custom")], "until": PASSES}, "predicate_kind", "review or test"),
        ({"action": "add", "operator": "Custom"}, "prompt_too_short", "1 to 2000"),
        ({"action": "add", "operator": "Custom", "prompt": "x" * 2001}, "prompt_too_long", "1 to 2000"),
        ({"action": "add", "operator": "Custom", "prompt": "a\x00"}, "not_text", "text"),
        ({"action": "add", "operator": "Custom", "prompt": "x", "position": -1}, "out_of_range", "0 or more"),
        (
            {"action": "add", "operator": "Custom", "prompt": "x", "after": "node_1", "position": 0},
            "two_places",
            "alone",
        ),
        ({"action": "delete", "target": "node_1"}, "unknown_node", "the canvas is empty"),
        ({"action": "cancel"}, "nothing_pending", "an edit"),
        ({"action": "undo"}, "out_of_range", "nothing was done yet"),
    ],
)
def test_a_bad_edit_is_refused_with_its_code_and_what_would_do(said: dict[str, Any], code: str, expected: str) -> None:
    (fault,) = Session().refused(said)
    assert fault["code"] == code
    assert expected in (fault["expected"] or "")


def test_all_that_is_wrong_is_told_at_once() -> None:
    said = {
        "action": "loop", "times": 9, "into": {"node": "node_7", "part": "then"}, "position": -2,
        "body": [{"kind": "parallel", "branches": [[one("Foo", "")]]}],
    }  # fmt: skip
    assert codes(Session().refused(said)) == [
        "unknown_operator", "prompt_too_short", "out_of_range", "unknown_node", "out_of_range", "too_few_branches",
    ]  # fmt: skip


def test_nesting_is_limited_from_wherever_it_grows() -> None:
    session = Session(limits=CanvasLimits(depth=2))
    session.say({"action": "loop", "body": [one("Custom")], "times": 2})
    inside = {"into": {"node": "node_1", "part": "body"}}
    session.say(parallel("Custom", "Custom", **inside))
    deeper = {"into": {"node": "node_3", "part": "branch_1"}}
    assert codes(session.refused(parallel("Custom", "Custom", **deeper))) == ["too_deep"]


def test_a_name_that_differs_in_case_alone_is_accepted_with_a_notice() -> None:
    applied = Session().say({"action": "add", "operator": "custom", "prompt": PROMPT})
    assert applied.notices == ["'custom' was read as Custom"]
    assert applied.description == "+ node_1 Custom at the start"


def test_a_name_that_two_operators_share_but_for_case_is_not_guessed() -> None:
    both = {**OPERATORS, "CUSTOM": OPERATORS["Custom"]}
    with pytest.raises(Refused, match="no operator 'custom'"):
        apply(Board.empty(), Add(operator="custom", prompt=PROMPT), operators=both)
    assert apply(Board.empty(), Add(operator="CUSTOM", prompt=PROMPT), operators=both).notices == []


def test_nodes_go_after_another_into_a_slot_and_at_a_position() -> None:
    session = Session().add("Plan", "Format")
    session.say(parallel("Custom", "Programmer", after="node_1"))
    put = {"action": "add", "operator": "Review", "prompt": PROMPT}
    assert (
        session.say({**put, "into": {"node": "node_3", "part": "branch_2"}}).description
        == "+ node_6 Review after node_5"
    )
    assert (
        session.say({**put, "into": {"node": "node_3", "part": "new_branch"}}).description
        == "+ node_7 Review in node_3 branch_3"
    )
    session.say({**put, "position": 0})
    session.say({**put, "position": 99})
    session.say({**put, "after": "node_4"})
    assert session.dsl == "Review -> Plan -> [(Custom -> Review), (Programmer -> Review), Review] -> Format -> Review"


def test_a_conditional_takes_nodes_in_its_branches_and_none_after_its_condition() -> None:
    session = Session()
    session.say({"action": "conditional", "condition": one("Test"), "then": [one("Revise")]})
    put = {"action": "add", "operator": "Custom", "prompt": PROMPT}
    session.say({**put, "into": {"node": "node_1", "part": "otherwise"}})
    assert session.dsl == "Test ? Revise : Custom"
    assert codes(session.refused({**put, "after": "node_2"})) == ["child_of_structure"]
    assert codes(session.refused({"action": "delete", "target": "node_2"})) == ["child_of_structure"]
    assert codes(session.refused({"action": "delete", "target": "node_3"})) == ["child_of_structure"]
    (fault,) = session.refused({**put, "into": {"node": "node_1", "part": "body"}})
    assert (fault["code"], fault["expected"]) == ("unknown_slot", "then, otherwise")
    session.say({"action": "delete", "target": "node_4"})
    assert session.dsl == "Test ? Revise : done"


def test_a_node_is_modified_in_place_and_only_in_what_it_has() -> None:
    session = Session().add("Custom")
    session.say({"action": "loop", "body": [one("Custom"), one("Test")], "times": 3, "until": PASSES})
    session.say({"action": "modify", "target": "node_2", "times": 5, "until": "never"})
    session.say({"action": "modify", "target": "node_1", "operator": "programmer"})
    assert session.dsl == "Programmer -> (Custom -> Test) * 5"
    assert codes(session.refused({"action": "modify", "target": "node_1", "times": 2})) == ["not_a_loop"]
    assert codes(session.refused({"action": "modify", "target": "node_2", "when": PASSES})) == ["not_a_conditional"]
    assert codes(session.refused({"action": "modify", "target": "node_2"})) == ["nothing_to_change"]
    assert codes(session.refused({"action": "modify", "target": "node_2", "times": 5})) == ["no_effect"]


def test_a_predicate_is_asked_of_the_operator_that_is_there_after_the_edit() -> None:
    session = Session()
    session.say({"action": "loop", "body": [one("Test")], "until": PASSES})
    put = {"action": "add", "operator": "Custom", "prompt": PROMPT}
    (fault,) = session.refused({**put, "after": "node_2"})
    assert fault["code"] == "predicate_kind"
    assert fault["message"].startswith("node_1 asks 'passes' of Custom")
    session.say({**put, "into": {"node": "node_1", "part": "body"}, "position": 0})
    mended = {"kind": "conditional", "condition": one("Test"), "then": [one("Revise")]}
    session.say({"action": "loop", "body": [mended], "until": PASSES})
    assert session.dsl == "(Custom -> Test) * 3 until passes -> (Test ? Revise : done) * 3 until passes"


def test_the_last_outcome_of_a_parallel_is_that_of_its_last_branch() -> None:
    def loop(*names: str) -> dict[str, Any]:
        return {
            "action": "loop",
            "body": [{"kind": "parallel", "branches": [[one(name)] for name in names]}],
            "until": PASSES,
        }

    Session().say(loop("Custom", "Test"))
    assert codes(Session().refused(loop("Test", "Custom"))) == ["predicate_kind"]


# -- prompts in turns of their own


def test_a_structure_is_on_the_canvas_while_its_prompts_come_one_by_one() -> None:
    session = published()
    applied = session.say(tags("add", structure="loop", operators="Programmer Test", count="2"))
    assert (session.dsl, applied.changed) == ("(Programmer -> Test) * 2", False)
    assert session.board.awaited == ("Programmer", "node_2", 1, 2)
    assert session.say("Write a program.").description == "? prompt 2 of 2, for Test (node_3)"
    applied = session.say("<prompt>Run the assertions.</prompt>")
    assert applied.changed
    assert applied.nodes == ["node_1", "node_2", "node_3"]
    assert [node.prompt for node in session.board.canvas.walk() if node.kind == "operator"] == [
        "Write a program.", "Run the assertions.",
    ]  # fmt: skip


def test_a_cancelled_structure_goes_and_its_ids_stay_used() -> None:
    session = published()
    session.say(tags("add", structure="parallel", operators="Custom, Custom"))
    session.say(PROMPT)
    assert session.say(tags("cancel")).changed is False
    assert session.dsl == ""
    session.say(tags("add", operator="Plan", prompt=PROMPT))
    assert session.ids == ["node_4"]


def test_a_new_operator_in_an_old_node_wants_a_new_prompt() -> None:
    session = published()
    session.say(tags("add", operator="Custom", prompt=PROMPT))
    session.say(tags("modify", target="node_1", operator="Programmer"))
    assert (session.dsl, session.board.awaited) == ("Custom", ("Programmer", "node_1", 1, 1))
    assert session.say("Write a program.").description == "~ node_1 operator Custom -> Programmer; ~ node_1 prompt"


def test_a_prompt_that_nobody_awaits_is_refused() -> None:
    with pytest.raises(Refused, match="no prompt is awaited"):
        give_prompt(Board.empty(), PROMPT)


def test_an_inline_prompt_saves_the_turn() -> None:
    assert published().say(tags("add", operator="Custom", prompt=PROMPT)).changed


# -- laws

actions = st.integers(0, 2**32).map(lambda seed: Director(seed).json_action())
scripts = st.lists(actions, max_size=40)


def run(script: list[Any], session: Session) -> list[Board]:
    """The boards that the accepted actions of a script gave."""
    boards = [session.board]
    for said in script:
        before = session.board.as_json()
        try:
            session.say(said)
        except (Refused, ValueError):
            assert session.board.as_json() == before
        else:
            boards.append(session.board)
    return boards


@given(scripts)
@settings(max_examples=60, deadline=None)
def test_edits_replay_to_the_same_nodes_and_a_board_survives_json(script: list[Any]) -> None:
    for board in run(script, Session()):
        assert replayed(board.edits).nodes == board.canvas.nodes
        assert Board.of(board.as_json()) == board
        ids = [node.id for node in board.canvas.walk()]
        assert len(set(ids)) == len(ids)


@given(scripts)
@settings(max_examples=60, deadline=None)
def test_an_id_stands_for_one_node_through_deletes_and_undos(script: list[Any]) -> None:
    highest, born = 1, set[str]()
    for board in run(script, Session()):
        assert board.canvas.next_number >= highest
        fresh = {node.id for node in board.canvas.walk()} - born
        returned = {one_id for one_id in fresh if int(one_id[5:]) < highest}
        assert not returned, "a node with an old number was not there before"
        born |= fresh
        highest = board.canvas.next_number


@given(scripts, st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_undo_restores_the_nodes_of_that_many_edits_ago(script: list[Any], back: int) -> None:
    said = [action for action in script if not (isinstance(action, dict) and action.get("action") == "undo")]
    session = Session()
    boards = run(said, session)
    states = [boards[0], *(b for a, b in pairwise(boards) if a.edits != b.edits)]
    if back < len(states):
        session.say({"action": "undo", "edits": back})
        assert session.board.canvas.nodes == states[-1 - back].canvas.nodes
        assert session.board.canvas.next_number == states[-1].canvas.next_number
    else:
        assert codes(session.refused({"action": "undo", "edits": back})) == ["out_of_range"]


@given(canvases, canvases)
def test_a_diff_is_empty_for_equals_and_names_every_node_otherwise(before: Canvas, after: Canvas) -> None:
    assert diff(before, before).line == ""
    told = diff(before, after)
    old, new = {node.id for node in before.walk()}, {node.id for node in after.walk()}
    assert (set(told.added), set(told.removed)) == (new - old, old - new)
    assert "\n" not in told.line
    if dsl_of(before) != dsl_of(after):
        assert told.line


def test_a_diff_tells_what_moved_and_what_changed() -> None:
    session = Session().add("Plan", "Custom")
    before = session.board.canvas
    swapped = before.model_copy(update={"nodes": before.nodes[::-1]})
    assert diff(before, swapped).line in ("> node_1 after node_2", "> node_2 at the start")
    session.say({"action": "set_prompt", "target": "node_1", "prompt": "Think again."})
    (changed,) = diff(before, session.board.canvas).changed
    assert (changed.id, changed.field, changed.after) == ("node_1", "prompt", "Think again.")


def test_every_action_is_refused_while_a_prompt_is_awaited_but_cancel() -> None:
    board = waiting().board
    for action in (Modify(target="node_1", operator="Plan"), Cancel()):
        if isinstance(action, Cancel):
            assert apply(board, action, operators=OPERATORS).board.pending is None
        else:
            with pytest.raises(Refused, match="is awaited"):
                apply(board, action, operators=OPERATORS)
