"""The tricky replies of a planner: one test each, named after the case. Each says what ours does where the published
code loses the turn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentflow_script import FINISH, MULTIPLY, asked, codes, decide, run, speaker, step, steps
from flowwright.checkpoints.runner import faults_of
from flowwright.policies import Reply, ReplyError
from langchain_core.exceptions import ModelAuthenticationError
from langchain_core.messages import AIMessage


def planned(text: str) -> tuple[dict[str, Any], list[str]]:
    """The one step of a reply, and the notices."""
    reading = decide(text)
    (only,) = reading.action["steps"]
    return only, list(reading.notices)


LINES = "Context: 6 and 7\nSub-Goal: multiply them\nTool Name: PYTHON"
PARSED = {"tool": "PYTHON", "sub_goal": "multiply them", "context": "6 and 7"}


def test_plan_three_plain_lines_are_read() -> None:
    assert planned(LINES) == (PARSED, [])


@pytest.mark.parametrize(
    "text",
    [
        "1. **Justification**: needed\n2. **Context**: 6 and 7\n3. **Sub-Goal**: multiply them\n4. **Tool Name**: PYTHON",
        "- **Context:** 6 and 7\n- **Sub-Goal:** multiply them\n- **Tool Name:** PYTHON",
        "### Context: 6 and 7\n### Sub-Goal: multiply them\n### Tool Name: PYTHON",
        "> 1) __Context__: 6 and 7\n> 2) __Sub-Goal__: multiply them\n> 3) __Tool Name__: PYTHON",
        "**Context:**\n6 and 7\n\n**Sub-Goal:**\nmultiply them\n\n**Tool Name:**\nPYTHON",
    ],
)
def test_plan_markers_of_a_numbered_bold_list_are_stripped(text: str) -> None:
    assert planned(text) == (PARSED, [])


@pytest.mark.parametrize(
    "name", ["`PYTHON`", "PYTHON.", "PYTHON (it can multiply)", "**PYTHON**", '"python"', "_Python_", "1. PYTHON", "[PYTHON]"]
)  # fmt: skip
def test_plan_punctuation_around_a_tool_name_is_trimmed_and_told(name: str) -> None:
    found, notices = planned(LINES.replace("PYTHON", name))
    assert found == PARSED
    assert notices == [f"the tool's name was written {name!r}"]


def test_plan_the_published_spelling_of_a_name_with_blanks_is_the_name() -> None:
    assert planned(LINES.replace("PYTHON", "self consistency-ensemble"))[0]["tool"] == "SELF_CONSISTENCY_ENSEMBLE"


@pytest.mark.parametrize("between", ["\n", "\n\n"], ids=["the next line", "after a blank line"])
def test_plan_prose_after_the_tool_name_is_left_out_and_told(between: str) -> None:
    assert planned(f"{LINES}{between}It is the best one.") == (PARSED, ["text after the tool's name was left out"])


@pytest.mark.parametrize("label", ["Sub-goal", "SUB-GOAL", "Sub Goal", "sub_goal", "subgoal"])
def test_plan_labels_are_read_in_any_case(label: str) -> None:
    assert planned(LINES.replace("Sub-Goal", label)) == (PARSED, [])


@pytest.mark.parametrize(("left_out", "filled"), [("context", ""), ("sub_goal", "6 and 7")])
def test_plan_fenced_json_with_a_missing_part_is_filled_and_told(left_out: str, filled: str) -> None:
    flat = {"justification": "x", "context": "6 and 7", "sub_goal": "multiply them", "tool_name": "PYTHON"}
    del flat[left_out]
    found, notices = planned(f"```json\n{json.dumps(flat)}\n```")
    assert found.get(left_out, "") == filled
    assert notices == [f"no {left_out.replace('_', '-')} was given"]


@pytest.mark.parametrize("form", ["lines", "json"])
def test_plan_of_two_plans_the_last_counts_and_that_is_told(form: str) -> None:
    flat = json.dumps({"context": "6 and 7", "sub_goal": "multiply them", "tool_name": "PYTHON"})
    last = LINES if form == "lines" else flat
    found, notices = planned(f"{last.replace('PYTHON', 'DEFAULT')}\n\nOr rather:\n{last}")
    assert found == PARSED
    assert any("the last one counts" in one for one in notices)


def test_plan_a_label_within_the_justification_is_no_label() -> None:
    found, _ = planned(f"Justification: the Context: is clear, and so is the Tool Name: of it\n{LINES}")
    assert found == PARSED


def test_plan_a_label_within_a_code_block_is_no_label() -> None:
    block = "```yaml\ntool: hammer\ncontext: none\n```"
    assert planned(LINES.replace("6 and 7", block)) == ({**PARSED, "context": block}, [])


@pytest.mark.parametrize("text", ["2**10", "**bold** and 2**10", "a\u2028b", "use {1,2", '```py\nprint("{")\n```'])
@pytest.mark.parametrize("label", ["Context:", "**Context**:", "**Context:**"])
def test_plan_a_context_is_left_as_it_is(label: str, text: str) -> None:
    assert planned(LINES.replace("Context: 6 and 7", f"{label} {text}")) == ({**PARSED, "context": text}, [])


@pytest.mark.parametrize("quoted", ['{"finish": "yes"}', json.dumps({"tool": "DEFAULT", "sub_goal": "x"})])
def test_plan_a_decision_quoted_in_a_context_decides_nothing(quoted: str) -> None:
    context = f"the page says {quoted}"
    assert planned(LINES.replace("6 and 7", context)) == ({**PARSED, "context": context}, [])
    assert decide(f"{LINES}\nOr rather: {quoted}").action != decide(LINES).action


def test_plan_lines_within_a_string_of_json_are_no_plan() -> None:
    written = json.dumps({"steps": [{"tool": "DEFAULT", "sub_goal": LINES}]}).replace("\\n", "\n")
    assert planned(written)[0]["tool"] == "DEFAULT"


def test_plan_lines_within_reasoning_are_no_plan() -> None:
    with pytest.raises(ReplyError) as raised:
        decide(f"<think>\n{LINES}\n</think>\nI do not know.")
    assert raised.value.code == "no_json"


def test_plan_lines_that_were_cut_are_no_plan() -> None:
    with pytest.raises(ReplyError) as raised:
        decide(LINES, "length")
    assert raised.value.code == "truncated"


def test_plan_a_list_of_steps_is_refused_and_no_step_of_it_gets_lost() -> None:
    state = run(speaker([f"[{MULTIPLY}, {MULTIPLY}]", MULTIPLY, FINISH]))
    assert [turn["outcome"] for turn in state["turns"]] == ["refused", "plan", "finish"]
    assert "lists 2 objects" in state["turns"][0]["faults"][0]["message"]


def test_plan_an_unknown_tool_is_repaired_once_with_the_names_then_on_record_for_the_planner() -> None:
    model = speaker([steps(step("MULTIPLIER"))] * 2 + [MULTIPLY, FINISH])
    state = run(model, budget={"repairs": 1})
    first, repair, after, _ = asked(model, "planner")
    assert codes(state) == ["unknown_tool", "unknown_tool"]
    assert "unknown_tool" not in first
    assert "did you mean MULTIPLY? one of PYTHON, CALCULATOR" in repair.replace("no tool 'MULTIPLIER'", "")
    assert '{"turn": 1, "refused": [{"code": "unknown_tool", "message": "step 1: no tool \'MULTIPLIER\'"' in after
    assert (state["status"], [one["turn"] for one in state["operations"]]) == ("finished", [2])


@pytest.mark.parametrize("text", ["", "  \n", "<think>hm</think>"])
def test_plan_an_empty_reply_is_a_typed_refusal(text: str) -> None:
    state = run(speaker([text, FINISH]))
    assert [(one["kind"], one["code"]) for one in faults_of(state)] == [("policy", "empty_reply")]
    assert state["status"] == "finished"


def test_plan_a_reply_without_content_is_an_empty_reply() -> None:
    with pytest.raises(ReplyError) as raised:
        decide(Reply.of(AIMessage(content=[])).text)
    assert raised.value.code == "empty_reply"


def test_plan_an_error_dictionary_is_no_decision() -> None:
    with pytest.raises(ReplyError) as raised:
        decide(json.dumps({"error": "AuthenticationError", "message": "no key", "details": "none"}))
    assert raised.value.code == "schema"


def test_plan_a_lost_connection_is_retried_and_not_charged_to_the_policy() -> None:
    failures = [ConnectionError("refused")]

    def planner(_: str, number: int) -> str:
        if failures:
            raise failures.pop()
        return FINISH

    state = run(speaker(planner))
    assert (state["status"], faults_of(state), state["usage"]["turns"]) == ("finished", [], 1)


def test_plan_a_provider_that_refuses_is_a_provider_fault_and_not_the_policys() -> None:
    def planner(_: str, number: int) -> str:
        if number:
            raise ModelAuthenticationError("no key")
        return MULTIPLY

    state = run(speaker(planner))
    assert [(one["kind"], one["code"]) for one in faults_of(state)] == [("provider", "authentication")]
    assert (state["status"], state["answer"], state["stop"] and state["stop"]["by"]) == (
        "best_effort",
        "42",
        "provider",
    )
