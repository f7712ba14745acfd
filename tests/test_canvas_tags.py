"""The published tag format: what is an action, what is data, and what is neither. One test a numbered case."""

from __future__ import annotations

import time

import pytest
from canvas_cases import OPERATORS, PROMPT, Session, codes, published, tags
from flowwright.graphs.canvas.action import (
    Action,
    Add,
    AddConditional,
    AddParallel,
    Cancel,
    Delete,
    Finish,
    Inspect,
    Modify,
    SetPrompt,
    Undo,
)  # fmt: skip
from flowwright.graphs.canvas.edit import apply
from flowwright.graphs.canvas.predicate import FAILS
from flowwright.graphs.canvas.tags import PromptText, read_tags
from flowwright.graphs.faults import Fault, Refused
from hypothesis import given
from hypothesis import strategies as st


def read(text: str) -> Action:
    found = read_tags(text, awaiting=False)
    assert not isinstance(found, PromptText)
    return found


def refused(text: str, *, awaiting: bool = False) -> list[Fault]:
    with pytest.raises(Refused) as caught:
        read_tags(text, awaiting=awaiting)
    assert {fault["kind"] for fault in caught.value.faults} == {"policy"}
    return caught.value.faults


def prompt(text: str) -> str:
    found = read_tags(text, awaiting=True)
    assert isinstance(found, PromptText)
    return found.text


ADD = tags("add", operator="Custom")


# -- the numbered cases


def test_p1_a_fenced_action_is_the_same_action() -> None:
    assert read(f"```xml\n{ADD}\n```") == read(ADD) == Add(operator="Custom")


def test_p2_a_fenced_finish_within_prose_is_a_finish() -> None:
    assert read(f"All is done.\n```\n{tags('finish')}\n```\nThat was it.") == Finish()


@pytest.mark.parametrize("opening", ["<think>", ""])
def test_p3_what_stands_in_reasoning_is_no_action(opening: str) -> None:
    assert read(f"{opening}I could {tags('delete', target='node_1')}</think>{ADD}") == Add(operator="Custom")


def test_p3_data_of_reasoning_is_not_taken_for_the_action_after_it() -> None:
    assert read(f"<prompt>a draft</prompt>, or not</think>{ADD}") == Add(operator="Custom")


def test_p4_two_actions_are_refused_and_both_are_named() -> None:
    (fault,) = refused("<action>delete</action> <action>modify</action><target>node_3</target>")
    assert fault["code"] == "two_actions"
    assert "'delete', 'modify'" in fault["message"]


def test_p5_an_action_that_is_not_closed_is_malformed_and_the_form_is_shown() -> None:
    (fault,) = refused("<action>add<operator>Custom</operator>")
    assert fault["code"] == "malformed_xml"
    assert fault["expected"] == "<action>add</action><operator>NAME</operator>"


def test_p6_an_unknown_action_is_refused_with_the_one_that_is_meant() -> None:
    (fault,) = refused(f"Custom is bad. {tags('remove', target='node_1')}")
    assert fault["code"] == "unknown_action"
    assert (fault["expected"] or "").startswith("did you mean delete? ")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("P7", "Let me test this idea first."),
        ("P8", "I will finish the remaining checks later; first add Verify"),
        ("P8", "The workflow is complete. Let's finish."),
        ("P8", ""),
    ],
)
def test_p7_and_p8_words_outside_tags_are_no_action(row: str, text: str) -> None:
    assert codes(refused(text)) == ["no_action"], row


def test_p9_an_operator_in_other_case_is_accepted_with_a_notice() -> None:
    applied = apply(published().board, read(tags("add", operator="custom", prompt=PROMPT)), operators=OPERATORS)
    assert applied.notices == ["'custom' was read as Custom"]


def test_p10_a_parallel_of_one_is_refused_and_a_single_add_suggested() -> None:
    (fault,) = published().refused(tags("add", structure="parallel", operators="Custom"))
    assert fault["code"] == "too_few_branches"
    assert "to have one operator alone, add it" in (fault["expected"] or "")


@pytest.mark.parametrize("between", [" ", ",", ", ", ";", "\n", " ; "])
def test_p11_operators_stand_between_commas_semicolons_or_blanks(between: str) -> None:
    found = read(tags("add", structure="parallel", operators=f"Custom{between}Programmer"))
    assert isinstance(found, AddParallel)
    assert [branch[0].operator for branch in found.branches if branch[0].kind == "operator"] == ["Custom", "Programmer"]


@pytest.mark.parametrize("count", ["0", "11", "50", "-1"])
def test_p12_a_loop_count_out_of_range_is_refused_with_the_range(count: str) -> None:
    (fault,) = published().refused(tags("add", structure="loop", operators="Custom", count=count))
    assert (fault["code"], fault["expected"]) == ("out_of_range", "1 to 10")


def test_p12_a_loop_count_that_is_no_number_is_refused() -> None:
    assert codes(refused(tags("add", structure="loop", operators="Custom", count="abc"))) == ["not_a_number"]


def test_p12_a_loop_runs_three_times_where_nothing_is_said() -> None:
    session = published()
    session.say(tags("add", structure="loop", operators="Custom"))
    assert session.dsl == "(Custom) * 3"


PROMPTS = (
    "Compare a < b and [a, b].",
    "Write <action>finish</action> nowhere, and <target>node_1</target> neither.",
    "Put it in <answer></answer> tags, after <think> tags.",
    "Use a <prompt> tag.",
    "<prompt>nested</prompt> here",
    "line one\r\nline two\n```python\nx = [1]\n```",
    "Answer [prompt] questions [/prompt]",
)


@pytest.mark.parametrize("text", PROMPTS)
def test_p13_a_prompt_is_data_and_kept_as_it_is(text: str) -> None:
    assert prompt(f"<prompt>{text}</prompt>") == text
    assert read(tags("set_prompt", target="node_1", prompt=text)) == SetPrompt(target="node_1", prompt=text)


def test_p14_two_complete_actions_are_refused_and_none_is_carried_out() -> None:
    (fault,) = refused(f"{ADD}\n{tags('finish')}")
    assert (fault["code"], fault["expected"]) == ("two_actions", "one action")
    twice = tags("set_prompt", target="node_1", prompt="abcdef") + tags("set_prompt", target="node_2", prompt="ghijkl")
    assert "two_actions" in codes(refused(twice))


def test_p14_a_prompt_that_is_not_closed_swallows_no_second_action() -> None:
    first, second = tags("set_prompt", target="node_1"), tags("set_prompt", target="node_2", prompt="Do that.")
    assert codes(refused(f"{first}<prompt>Do this.\n{second}"))[0] == "malformed_xml"


@pytest.mark.parametrize("true", ["done", "Done", " done "])
def test_g5_an_empty_true_branch_is_refused_and_the_way_round_is_told(true: str) -> None:
    (fault,) = refused(tags("add", structure="conditional", condition="Test", true=true, false="Revise"))
    assert fault["code"] == "empty_branch"
    assert "<false> where it passes" in (fault["expected"] or "")


def test_e5_a_reply_that_only_thinks_is_told_so() -> None:
    for text in ("<think>hm", "<think>hm</think>", "hm</think>  "):
        assert codes(refused(text)) == codes(refused(text, awaiting=True)) == ["think_only"]


def test_e6_an_action_is_never_taken_for_the_prompt() -> None:
    assert read_tags(tags("delete", target="node_1"), awaiting=True) == Delete(target="node_1")
    assert read_tags(tags("cancel"), awaiting=True) == Cancel()
    assert codes(refused("<action>delete<target>x</target>", awaiting=True)) == ["expected_prompt", "malformed_xml"]


# -- the format


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (ADD, Add(operator="Custom")),
        ("[ACTION] Add [/Action]<Operator>Custom[/operator]", Add(operator="Custom")),
        (tags("add", operator="Custom", position="0", prompt="Do."), Add(operator="Custom", position=0, prompt="Do.")),
        (
            tags("add", structure="loop", operators="Custom", count="4"),
            read(tags("loop", operators="Custom", count="4")),
        ),
        (tags("delete", target="node_2"), Delete(target="node_2")),
        (tags("modify", target="node_2", operator="Plan"), Modify(target="node_2", operator="Plan")),
        (tags("modify", target="node_2", count="2"), Modify(target="node_2", times=2)),
        (tags("finish", answer="the set [1, 2]"), Finish(answer="the set [1, 2]")),
        (tags("undo"), Undo()),
        (tags("undo", count="2"), Undo(edits=2)),
        (tags("inspect", target="node_1", span="10-90"), Inspect(node="node_1", span=(10, 90))),
        (f"Some [true] prose [x] < y. {ADD}", Add(operator="Custom")),
    ],
)
def test_every_action_has_a_form(text: str, action: Action) -> None:
    assert read(text) == action


@pytest.mark.parametrize("false", ["done", "", None])
def test_a_published_conditional_mends_what_fails(false: str | None) -> None:
    fields = {"condition": "Test", "true": "Revise"} | ({} if false is None else {"false": false})
    found = read(tags("add", structure="conditional", **fields))
    assert isinstance(found, AddConditional)
    assert (found.when, found.otherwise) == (FAILS, ())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (tags("add"), "missing_field"),
        (tags("set_prompt", target="node_1"), "missing_field"),
        (tags("add", operator="Plan", target="node_1"), "unexpected_field"),
        (ADD + "<operator>Plan</operator>", "duplicate_field"),
        (tags("add", structure="ring", operators="Plan"), "unknown_structure"),
        (tags("add", operator="Plan", position="first"), "not_a_number"),
        (tags("inspect", target="node_1", span="all"), "not_a_span"),
        ("[action]add", "malformed_xml"),
        (ADD + "</target>", "malformed_xml"),
        (tags("set_prompt", target="node_1") + "<prompt>never closed", "malformed_xml"),
    ],
)
def test_what_leaves_open_what_is_meant_is_refused(text: str, code: str) -> None:
    assert codes(refused(text)) == [code]


def test_all_that_is_wrong_with_a_reply_is_told_at_once() -> None:
    text = tags("add", structure="conditional", true="done", position="x") + "<count>"
    assert codes(refused(text)) == ["malformed_xml", "missing_field", "not_a_number", "empty_branch"]


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("Solve it in [two] steps <b>now</b>.", "Solve it in [two] steps <b>now</b>."),
        ("<think>hm</think>\nSolve it.", "Solve it."),
        ("Here it is: <prompt> Solve it. </prompt> Fine?", "Solve it."),
        ("[prompt]Solve it.[/prompt]", "Solve it."),
        ("The [action] is yours; put <answer>x</answer> last.", "The [action] is yours; put <answer>x</answer> last."),
    ],
)
def test_a_prompt_is_the_tag_or_the_whole_text(text: str, taken: str) -> None:
    assert prompt(text) == taken


def test_two_prompts_and_an_open_one_are_refused() -> None:
    assert codes(refused("<prompt>one</prompt><prompt>two</prompt>", awaiting=True)) == ["duplicate_field"]
    assert codes(refused("<prompt>one", awaiting=True)) == ["malformed_xml"]


# -- laws

pieces = st.sampled_from([
    "<action>", "</action>", "[action]", "[/action]", "add", "delete", "<operator>", "</operator>", "Custom", "<prompt>",
    "</prompt>", "[prompt]", "<think>", "</think>", "<target>node_1</target>", "<answer>", "</answer>", " x ", "```", "<",
    "]", "<structure>loop</structure>", "<operators>Plan</operators>", "<count>3</count>", "\x00", "é",
])  # fmt: skip


def outcome(text: str, *, awaiting: bool) -> Action | PromptText | list[Fault]:
    try:
        return read_tags(text, awaiting=awaiting)
    except Refused as refused:
        return refused.faults


@given(st.lists(pieces, max_size=14).map("".join) | st.text(max_size=60), st.booleans())
def test_any_text_is_an_action_a_prompt_or_a_typed_refusal(text: str, awaiting: bool) -> None:
    found = outcome(text, awaiting=awaiting)
    if isinstance(found, list):
        assert all(fault["kind"] == "policy" and fault["expected"] for fault in found)
        assert all("\n" not in fault["message"] for fault in found)
    else:
        assert awaiting or not isinstance(found, PromptText)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1).filter(lambda text: "prompt" not in text.lower()))
def test_no_prompt_is_read_as_anything_else(text: str) -> None:
    assert prompt(f"<prompt>{text}</prompt>") == text.strip()


@pytest.mark.parametrize(
    "unit", ["<prompt>", "[prompt][prompt][/prompt]", "<think>", "<action>", "[answer]", "< ", "<action>a</action>"]
)
def test_a_long_hostile_reply_takes_time_in_proportion_to_its_length(unit: str) -> None:
    def seconds(length: int) -> float:
        started = time.process_time()
        outcome(unit * (length // len(unit)), awaiting=False)
        return time.process_time() - started

    short = min(seconds(10_000) for _ in range(3))
    assert min(seconds(40_000) for _ in range(3)) < 10 * max(short, 0.01)


def test_the_published_dialogue_of_a_structure() -> None:
    session: Session = published()
    for said in (
        tags("add", operator="Plan"), "Make a plan of three steps.",
        tags("add", structure="conditional", condition="Verify", true="Revise", false="done"),
        "<prompt>Check the arithmetic.</prompt>", "Mend what was found.", tags("finish"),
    ):  # fmt: skip
        session.say(said)
    assert session.dsl == "Plan -> Verify ? Revise : done"
    assert isinstance(session.board.edits[1].action, AddConditional)
