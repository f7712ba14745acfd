"""The tricky cases of the published system: one test each, named after the case. Each says what ours does where the
published code loses the iteration, the result or the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flowwright import Policies, UsageError, build_graph
from flowwright.checkpoints.runner import faults_of
from flowwright.graphs.state import State
from flowwright.operators.sandbox import open_sandbox
from flowwright.training.scorers.decision import read_decision
from flowwright.training.scorers.verdict import equivalent, read_verdict
from langgraph.checkpoint.memory import InMemorySaver
from scripted import ANSWER, ScriptedModel, answering, finish, operator, operator_of, replies, stage

DONE = finish("draft")


def run(designer: ScriptedModel, executor: ScriptedModel | None = None, **task: Any) -> State:
    """The final state of one run."""
    graph = build_graph(
        "dyflow", policies=Policies(designer=designer, executor=executor or answering()), checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "case"}}
    graph.invoke({"task": {"question": "What is 6*7?", **task}}, config)
    return State(**graph.get_state(config).values)


def codes(state: State) -> list[str]:
    return [one["code"] for one in faults_of(state)]


@pytest.mark.parametrize(
    "reply",
    [
        ANSWER.replace("work", "use the set {1,2"),
        "First some prose with an open { brace. " + ANSWER,
    ],
)
def test_case_01_unbalanced_brace_in_a_string_or_in_prose(reply: str) -> None:
    state = run(replies(reply, DONE))
    assert (state["status"], state["answer"], codes(state)) == ("finished", "42", [])


def test_case_02_latex_in_strings_stays_latex() -> None:
    latex = r"use \alpha, \frac{1}{2}, \boxed{x}, \theta and \nu"
    reply = ANSWER.replace("do it", latex)
    state = run(replies(reply, DONE))
    assert state["operations"][0]["instruction"] == latex
    assert not any(ord(char) < 32 for char in state["operations"][0]["instruction"])


def test_case_03_the_last_object_of_the_schema_wins() -> None:
    draft = stage(operator("GENERATE_PLAN", ["problem"], "plan"))
    think = f'<think>maybe {{"a": 1}} or {draft}</think>'
    state = run(replies(f'{think} A note {{"x": 2}}.\n```json\n{draft}\n```\nFinal:\n```json\n{ANSWER}\n```', DONE))
    assert [one["operator"] for one in state["operations"]] == ["GENERATE_ANSWER"]


@pytest.mark.parametrize(
    "reply",
    [
        ANSWER.replace("]}", "],}"),
        ANSWER.replace('"', "'"),
        ANSWER.replace("{", "{ // a comment\n", 1),
        ANSWER.replace("do it", "do\nit"),
        f"```JSON\n{ANSWER}\n```",
    ],
    ids=["trailing comma", "single quotes", "comment", "raw newline", "upper-case fence"],
)
def test_case_04_sloppy_json_is_read(reply: str) -> None:
    assert run(replies(reply, DONE))["status"] == "finished"


def test_case_04_unreadable_json_gets_one_repair_that_quotes_the_validator() -> None:
    designer = replies('{"stage_description": "x", "operators": [{}]}', ANSWER, DONE)
    state = run(designer)
    assert state["status"] == "finished"
    assert [turn["outcome"] for turn in state["turns"]] == ["refused", "plan", "finish"]
    assert state["turns"][0]["faults"][0]["message"] in designer.prompts[1]


def test_case_05_truncation_is_detected_and_repairs_are_bounded_apart_from_turns() -> None:
    designer = replies(ANSWER[:60])
    designer.finish_reason = "length"
    state = run(designer, budget={"turns": 3, "repairs": 1})
    assert set(codes(state)) == {"truncated"}
    assert len(state["turns"]) == 6
    assert (state["status"], state["usage"]["turns"]) == ("failed", 3)


def test_case_06_an_absent_key_is_refused_with_the_known_keys_before_anything_runs() -> None:
    bad = stage(
        operator("GENERATE_ANSWER", ["problem"], "draft"), operator("REVIEW_SOLUTION", ["problem", "nowhere"], "r")
    )
    state = run(replies(bad, ANSWER, DONE))
    refusal = state["turns"][0]["faults"][0]
    assert (refusal["code"], state["turns"][0]["operations"]) == ("unknown_key", [])
    assert "problem@1" in (refusal["expected"] or "")
    assert {one["id"] for one in state["operations"]} == {"op_1_1"}


def test_case_06_dependants_of_a_failed_operation_are_skipped_and_reported() -> None:
    def executor(prompt: str, _: int) -> str:
        return "" if operator_of(prompt) == "GENERATE_PLAN" else "Answer: 42"

    plan = stage(
        operator("GENERATE_PLAN", ["problem"], "plan"), operator("GENERATE_ANSWER", ["problem", "plan"], "draft")
    )
    designer = replies(plan, ANSWER, DONE)
    state = run(designer, ScriptedModel(script=executor))
    assert [one["status"] for one in state["operations"]] == ["failed", "skipped", "ok"]
    assert "missing_input" in designer.prompts[1]


@pytest.mark.parametrize("name", ["ORGANIZE_SOLUTION", "TERMINATE"])
def test_case_07_finishing_with_an_absent_key_or_in_company_is_a_plan_error(name: str) -> None:
    absent = stage(operator(name, ["problem", "nowhere"], "final"))
    mixed = stage(operator(name, ["problem"], "final"), operator("GENERATE_PLAN", ["problem"], "plan"))
    state = run(replies(ANSWER, absent, mixed, stage(operator(name, ["problem", "draft"], "final"))))
    assert codes(state) == ["no_candidate", "mixed_finish"]
    assert (state["status"], state["answer"]) == ("finished", "42")


def test_case_07_there_is_a_best_effort_answer_when_the_designer_never_finishes() -> None:
    state = run(replies(ANSWER), budget={"turns": 2})
    assert (state["status"], state["answer"]) == ("best_effort", "42")


def test_case_08_reused_ids_and_keys_never_overwrite() -> None:
    reused = json.loads(ANSWER) | {"stage_id": "stage_1"}
    reused["operators"][0]["operator_id"] = "op_1_1"
    state = run(replies(json.dumps(reused), json.dumps(reused), DONE))
    assert [one["id"] for one in state["operations"]] == ["op_1_1", "op_2_1"]
    assert [one["key"] for one in state["memory"]] == ["problem@1", "draft@1", "draft@2"]


def test_case_09_a_consumer_listed_first_runs_after_its_producer() -> None:
    forward = stage(
        operator("REVIEW_SOLUTION", ["problem", "draft"], "review"), operator("GENERATE_ANSWER", ["problem"], "draft")
    )
    state = run(replies(forward, DONE))
    assert [(one["operator"], one["status"]) for one in state["operations"]] == [
        ("GENERATE_ANSWER", "ok"), ("REVIEW_SOLUTION", "ok")
    ]  # fmt: skip


def test_case_09_a_cycle_is_refused() -> None:
    cycle = stage(operator("REFINE_ANSWER", ["problem", "b"], "a"), operator("REFINE_ANSWER", ["problem", "a"], "b"))
    state = run(replies(cycle, ANSWER, DONE))
    assert codes(state) == ["cycle"]


def test_case_10_an_unknown_operator_is_refused_with_the_nearest_and_the_legal_set() -> None:
    state = run(replies(stage(operator("GENERATE_ANSWERS", ["problem"], "draft")), ANSWER, DONE))
    refusal = state["turns"][0]["faults"][0]
    assert refusal["code"] == "unknown_operator"
    assert "did you mean GENERATE_ANSWER?" in (refusal["expected"] or "")
    assert "TEST_CODE" in (refusal["expected"] or "")


@pytest.mark.parametrize(
    "operators",
    [[], ["GENERATE_ANSWER"], [operator("GENERATE_ANSWER", ["problem"], "draft"), {"operator_description": "x"}]],
    ids=["empty", "strings", "missing params"],
)
def test_case_11_an_invalid_stage_runs_nothing(operators: list[Any]) -> None:
    bad = json.dumps({"stage_description": "x", "operators": operators})
    state = run(replies(bad, '{"give_up": "no"}'))
    assert codes(state) == ["schema"]
    assert state["operations"] == []


def test_case_12_an_empty_executor_reply_is_a_typed_failure_that_the_designer_sees() -> None:
    designer = replies(ANSWER, '{"give_up": "no"}')
    state = run(designer, answering(""))
    assert [one["fault"]["code"] for one in state["operations"] if one["fault"]] == ["empty_reply"]
    assert "empty_reply" in designer.prompts[1]
    assert [one["key"] for one in state["memory"]] == ["problem@1"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("```python\ndef solve():\n    return 1\nassert solve() == 2\n```", "failed"),
        ("```python\nwhile True: pass\n```", "timeout"),
        ("```python\nraise SystemExit\n```", "SystemExit"),
        ("```js\nreturn 1\n```", "no"),
    ],
    ids=["failing assertion", "endless loop", "SystemExit", "not Python"],
)
def test_case_13_testing_code_always_stores_a_structured_result(code: str, expected: str) -> None:
    test = stage(operator("GENERATE_CODE", ["problem"], "code"), operator("TEST_CODE", ["code"], "check"))
    state = run(replies(test, '{"give_up": "no"}'), answering(code))
    result = next(one for one in state["memory"] if one["key"] == "check@1")
    assert result["passed"] is not True
    assert result["data"]
    assert expected.lower() in (result["content"] + str(result["data"])).lower()


@pytest.mark.parametrize("selector", ["0", "9", "true", "2.9", "", '{"note": 1} {"choice": "Z"}'])
def test_case_14_votes_are_counted_and_a_bad_selector_is_reported_not_obeyed(selector: str) -> None:
    answers = iter(["Answer: 1", "Answer: 1", "Answer: 2", "Answer: 2", "Answer: 3"])

    def executor(prompt: str, _: int) -> str:
        if operator_of(prompt) == "SELF_CONSISTENCY_ENSEMBLE":
            return next(answers, f'{{"choice": {selector}}}' if selector[:1] != "{" else selector)
        return "Answer: 1"

    vote = stage(operator("SELF_CONSISTENCY_ENSEMBLE", ["problem"], "draft"))
    state = run(replies(vote, DONE), ScriptedModel(script=executor))
    made = next(one for one in state["memory"] if one["key"] == "draft@1")
    assert made["answer"] in {"1", "2"}
    assert made["data"]["tie_break"] == "first"


@pytest.mark.parametrize("inputs", [[], ["unknown"]])
def test_case_15_terminating_without_a_candidate_is_refused_and_never_completed(inputs: list[str]) -> None:
    state = run(replies(stage(operator("TERMINATE", inputs, "end")), '{"give_up": "nothing found"}'))
    assert codes(state)[0] in {"schema", "no_candidate"}
    assert (state["status"], state["answer"]) == ("failed", None)


def test_case_16_the_last_verdict_of_a_judge_counts_and_exact_equality_comes_first() -> None:
    assert read_verdict("One may think [[True]], but they differ: [[False]]") is False
    assert equivalent("1/2", "0.5", judge=lambda *_: pytest.fail("asked a model about equal numbers"))


def test_case_17_a_bracketed_decision_outweighs_words() -> None:
    decision = read_decision("There is no clear evidence, so the decision is [[maybe]].")
    assert (decision.label, decision.flagged) == ("maybe", False)
    assert read_decision("no, rather yes").flagged


def test_case_18_a_submission_cannot_reach_its_grader() -> None:
    forger = (
        "import sys, os\n"
        "def solve(x):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n"
        "            if isinstance(value, list): value.append('passed')\n"
        "        frame = frame.f_back\n"
        "    for fd in range(3, 64):\n"
        '        try: os.write(fd, b\'{"status": "passed"}\\n\')\n'
        "        except OSError: pass\n"
        "    return 0\n"
    )
    verdict = open_sandbox().check(forger, "assert solve(1) == 1", entry_point="solve")
    assert verdict.status != "passed"


def test_bad_settings_are_one_clear_error() -> None:
    for wrong in ({"turns": -1}, {"time": 3}):
        with pytest.raises(UsageError):
            run(replies(DONE), budget=wrong)
