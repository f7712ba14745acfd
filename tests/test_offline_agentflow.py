"""Offline, AgentFlow's planner calls what is on its list, reacts to what came of it, and claims nothing that no check
and no other way has confirmed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from flowwright.operators.arguments import check_arguments
from flowwright.operators.registry import Registry
from flowwright.policies.offline import NO_ERRORS, RATES, OfflineDesigner, OfflineExecutor
from flowwright.training.tasks import FAMILIES, check_answer
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from offline_run import about, last_line, operator_prompt
from offline_systems import FOREIGN, IMPOSSIBLE, need_sandbox, refused, replies_elsewhere, replies_of, solved

QUESTIONS = {name: [one.question for one in family.generate(2, 2)] for name, family in FAMILIES.items()}
TOOLS = ("PYTHON", "CALCULATOR", "ALGEBRA", "GENERATE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE", "DEFAULT")
SHAKY = {
    **{name: 0.5 for name in RATES if name.startswith("answer.")},
    "call.slip": 0.3, "call.crash": 0.3, "call.arguments": 0.3, "verdict.doubt": 0.3, "check.crash": 0.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> None:
    need_sandbox()


def prompt(
    opening: str,
    question: str,
    memory: tuple[Mapping[str, Any], ...] = (),
    *,
    feedback: tuple[Mapping[str, Any], ...] = (),
    tools: tuple[str, ...] = TOOLS,
    **budget: int,
) -> list[BaseMessage]:
    """A prompt of planner, verifier or analyst."""
    left = {"turn": 1 + len(memory), "turns": 10, "operations": 0, "operations_limit": 24, "calls": 0} | budget
    sections = [
        f"<problem>\n{question}\n</problem>", "<analysis>\nNone.\n</analysis>", "<memory>", *map(json.dumps, memory),
        "</memory>", f"<budget>\n{json.dumps(left)}\n</budget>", "<feedback>", *map(json.dumps, feedback),
        "</feedback>",
    ]  # fmt: skip
    listed = "\n".join(f"- {name}: what it does." for name in tools)
    return [SystemMessage(f"{opening}\n{listed}"), HumanMessage("\n".join(sections))]


def planned(question: str, *memory: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    messages = prompt("You plan how a question gets answered, one step at a time.", question, memory, **more)
    action: dict[str, Any] = json.loads(OfflineDesigner(error_rates=NO_ERRORS).invoke(messages).text)
    return action


def verdict(question: str, *memory: Mapping[str, Any], seed: int = 0, **rates: float) -> dict[str, Any]:
    messages = prompt("You decide whether the work on a question may stop.", question, memory)
    model = OfflineExecutor(error_rates={**NO_ERRORS, **rates})
    said: dict[str, Any] = json.loads(model.bind(seed=seed).invoke(messages).text)
    return said


def call(key: str, tool: str, answer: str | None, sub_goal: str = "Work it out.", **facts: Any) -> dict[str, Any]:
    line = {"turn": 1, "key": key, "tool": tool, "sub_goal": sub_goal, "status": "ok", "result": f"Value: {answer}"}
    return line | ({} if answer is None else {"answer": answer}) | facts


def check(key: str, of: str, answer: str | None, result: str = "") -> dict[str, Any]:
    return call(key, "PYTHON", answer, f"Check {of} by assertions.", result=result)


def asked(tool: str, question: str, instruction: str, **inputs: str) -> list[BaseMessage]:
    """A prompt for a tool's arguments."""
    shown = json.dumps({"name": tool, "parameters": {}})
    frame = operator_prompt("X", {"problem@1": question} | inputs, instruction)[1].text.partition("\n")[2]
    return [SystemMessage("You are the caller of one tool."), HumanMessage(f"<tool>\n{shown}\n</tool>\n{frame}")]


# Whole runs


@pytest.mark.parametrize("name", FAMILIES)
async def test_problems_of_every_family_are_finished_and_rightly_so(name: str, sandbox: None) -> None:
    for number, task in enumerate(FAMILIES[name].generate(51, 3)):
        state = await solved("agentflow", task.question, seed=number)
        assert (state["status"], check_answer(task.question, state["answer"])) == ("finished", True)
        assert {one["operator"] for one in state["operations"]} <= {*TOOLS}


async def test_slips_of_planner_and_callers_are_repaired_and_let_no_wrong_answer_through(sandbox: None) -> None:
    ends, codes, failed = [], list[str](), 0
    for name in ("equations", "game24", "functions"):
        for number, task in enumerate(FAMILIES[name].generate(52, 4)):
            rates = {**SHAKY, "design.malformed_json": 0.2, "design.unknown_key": 0.2, "design.unknown_operator": 0.2}
            state = await solved("agentflow", task.question, seed=number, rates=rates)
            ends.append(state["status"])
            codes += refused(state)
            failed += sum(one["status"] == "failed" for one in state["operations"])
            if state["status"] == "finished":
                assert check_answer(task.question, state["answer"]), (task.question, state["answer"])
            made = [(one["operator"], one["instruction"]) for one in state["operations"]]
            assert len(made) == len(set(made)), "a call was repeated in the same words"
    assert ends.count("finished") >= 10
    assert {"unknown_tool", "unknown_key"} <= set(codes)
    assert failed > 0


async def test_what_it_cannot_solve_is_not_claimed(sandbox: None) -> None:
    state = await solved("agentflow", FOREIGN)
    assert (state["status"], state["answer"], state["usage"]["turns"], state["operations"]) == ("failed", None, 1, [])
    state = await solved("agentflow", IMPOSSIBLE, rates=NO_ERRORS)
    assert (state["status"], state["answer"]) == ("failed", None)
    assert {one["operator"] for one in state["operations"]} >= {"PYTHON", "GENERATE_ANSWER"}


@pytest.mark.parametrize("budget", [{"turns": 1}, {"turns": 2}, {"operations": 1}, {"calls": 4}, {"calls": 7}])
async def test_small_budgets_are_kept_and_nothing_unconfirmed_is_claimed(budget: Any, sandbox: None) -> None:
    (resource, limit), ends = *budget.items(), []
    for _, question in QUESTIONS.values():
        state = await solved("agentflow", question, budget=budget)
        assert state["usage"][resource] <= limit
        ends.append(state["status"])
        assert state["status"] != "finished" or check_answer(question, state["answer"])
    assert set(ends) - {"finished"}, "the budget was never short"


async def test_a_run_is_the_same_in_every_process(sandbox: None) -> None:
    questions = [QUESTIONS["game24"][1], QUESTIONS["statistics"][1]]
    here = [replies_of(await solved("agentflow", one, seed=3)) for one in questions]
    assert replies_elsewhere("agentflow", "default", questions, "7") == json.loads(json.dumps(here))


async def test_the_published_pair_of_tools_solves_what_needs_no_check(sandbox: None) -> None:
    for name in ("arithmetic", "word_problems"):
        state = await solved("agentflow", QUESTIONS[name][0], preset="paper")
        assert (state["status"], check_answer(QUESTIONS[name][0], state["answer"])) == ("finished", True)
        assert {one["operator"] for one in state["operations"]} == {"Programmer", "DEFAULT"}
    assert (await solved("agentflow", QUESTIONS["game24"][0], preset="paper"))["status"] == "failed"


# Planning


def test_families_and_difficulties_get_different_first_turns() -> None:
    openings = {
        (name, n): [one["tool"] for one in planned(question)["steps"]]
        for name, pair in QUESTIONS.items()
        for n, question in enumerate(pair)
    }
    assert openings["arithmetic", 0] == ["CALCULATOR"]
    assert openings["arithmetic", 1] == ["CALCULATOR", "PYTHON"]
    assert openings["equations", 1] == ["ALGEBRA", "GENERATE_ANSWER"]
    assert len({tuple(one) for one in openings.values()}) >= 7


@pytest.mark.parametrize("name", FAMILIES)
def test_only_tools_on_the_list_are_named(name: str) -> None:
    for tools in (("PYTHON", "DEFAULT"), ("GENERATE_ANSWER", "PYTHON"), ("CALCULATOR", "SELF_CONSISTENCY_ENSEMBLE")):
        action = planned(QUESTIONS[name][1], tools=tools)
        assert "give_up" in action or {one["tool"] for one in action["steps"]} <= {*tools}
    refusal = {"kind": "policy", "code": "unknown_tool", "message": "step 1: no tool 'PYTHON'"}
    action = planned(QUESTIONS[name][1], feedback=(refusal,))
    assert "PYTHON" not in [one["tool"] for one in action.get("steps", ())]


def test_a_lone_result_is_checked_or_reached_in_another_way() -> None:
    first = call("result@1", "PYTHON", "(1 + 1)")
    step = planned(QUESTIONS["game24"][0], first)["steps"]
    assert [(one["tool"], one["inputs"]) for one in step] == [("PYTHON", ["result@1"])]
    assert step[0]["sub_goal"].startswith("Check result@1")
    assert "(1 + 1)" in step[0]["context"]
    other = planned(QUESTIONS["arithmetic"][0], call("result@1", "CALCULATOR", "7"))["steps"]
    assert [one["tool"] for one in other] == ["PYTHON"]


def test_a_failed_call_turns_the_planner_to_another_tool_and_a_crashed_check_is_made_again() -> None:
    fault = {"code": "tool_fault", "message": "cannot be read"}
    failed = call("result@1", "CALCULATOR", None, status="failed", fault=fault)
    assert planned(QUESTIONS["arithmetic"][0], failed)["steps"][0]["tool"] == "PYTHON"
    made, crashed = call("result@1", "PYTHON", "24"), check("result@2", "result@1", None, "SyntaxError: no colon")
    assert planned(QUESTIONS["game24"][0], made, crashed)["steps"][0]["sub_goal"].startswith("Check result@1")
    refuted = check("result@2", "result@1", None, "AssertionError: it equals 23, not 24")
    assert not planned(QUESTIONS["game24"][0], made, refuted)["steps"][0]["sub_goal"].startswith("Check")


# Evidence


def test_it_ends_on_a_passed_check_or_on_agreement_in_another_way_and_on_nothing_else() -> None:
    made, check_of = call("result@1", "PYTHON", "8 + 16"), check("result@2", "result@1", "8 + 16")
    assert "finish" in planned(QUESTIONS["game24"][0], made, check_of)
    twice = call("result@2", "GENERATE_ANSWER", "8 + 16")
    assert "finish" not in planned(QUESTIONS["game24"][0], made, twice), "of 24 only a check says anything"
    one, other = call("result@1", "CALCULATOR", "7"), call("result@2", "PYTHON", "7.0")
    assert "finish" in planned(QUESTIONS["arithmetic"][0], one, other)
    rival = call("result@3", "GENERATE_ANSWER", "8")
    assert [step["tool"] for step in planned(QUESTIONS["arithmetic"][0], one, other, rival)["steps"]] == ["PYTHON"] * 2
    assert "finish" in planned(QUESTIONS["arithmetic"][0], one, other, rival, check("result@4", "result@2", "7"))
    same = call("result@2", "GENERATE_ANSWER", "7")
    assert "finish" not in planned(QUESTIONS["arithmetic"][0], {**same, "key": "result@1"}, same)


def test_the_verifier_stops_where_the_planner_would_end_and_doubts_as_often_as_documented() -> None:
    one, other = call("result@1", "CALCULATOR", "7"), call("result@2", "PYTHON", "7")
    question = QUESTIONS["arithmetic"][0]
    assert verdict(question, one, other)["stop"] is True
    assert verdict(question, one)["stop"] is False
    assert "contradict" in verdict(question, one, {**other, "answer": "8"})["analysis"]
    assert verdict(FOREIGN, one, other)["stop"] is False
    rate = RATES["verdict.doubt"]
    doubts = sum(not verdict(question, one, other, seed=n, **{"verdict.doubt": rate})["stop"] for n in range(600))
    assert about(doubts, 600, rate)


def test_the_answer_is_the_result_with_most_for_it_in_the_form_asked_for() -> None:
    question = "Solve for x: 3(x - 2) = 5x + 4. Give exact values, as fractions where they are not whole."
    lines = [call("result@1", "GENERATE_ANSWER", "x = 4"), call("result@2", "ALGEBRA", "-5")]
    memory = "\n".join(json.dumps(one) for one in (*lines, check("result@3", "result@2", "x = -5")))
    inputs = {"problem@1": question, "analysis@1": "None.", "memory": memory}
    for operator in ("DIRECT_ANSWER", "FULL_ANSWER"):
        text = OfflineExecutor(error_rates=NO_ERRORS).invoke(operator_prompt(operator, inputs)).text
        assert last_line(text) == "x = -5"
        nothing = OfflineExecutor().invoke(operator_prompt(operator, {**inputs, "memory": "(no calls were made)"})).text
        assert last_line(nothing) is None


def test_an_analysis_names_tools_of_the_list_and_gives_no_answer() -> None:
    for pair in QUESTIONS.values():
        messages = prompt("You read a question before anybody works on it.", pair[1], tools=("PYTHON",))
        text = OfflineExecutor().invoke(messages).text
        assert "By rule" in text
        assert "CALCULATOR" not in text
        assert last_line(text) is None
    foreign = OfflineExecutor().invoke(prompt("You read a question before anybody works on it.", FOREIGN)).text
    assert "cannot solve" in foreign


# Arguments


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("tool", ["PYTHON", "CALCULATOR", "ALGEBRA"])
def test_arguments_fit_the_schema_or_are_refused_in_plain_words(name: str, tool: str) -> None:
    template = Registry.load()[tool]
    for question in QUESTIONS[name]:
        text = OfflineExecutor(error_rates=NO_ERRORS).invoke(asked(tool, question, "Work it out.")).text
        if text.startswith("{"):
            check_arguments(tool, template.parameters or {}, json.loads(text))
        else:
            assert "no arguments" in text


def test_a_misnamed_argument_is_put_right_when_it_is_quoted_back() -> None:
    messages = asked("CALCULATOR", QUESTIONS["arithmetic"][0], "Evaluate it.")
    model = OfflineExecutor(error_rates={**NO_ERRORS, "call.arguments": 1.0, "call.crash": 1.0, "call.slip": 1.0})
    wrong = model.invoke(messages).text
    assert "expression" not in json.loads(wrong)
    again = model.invoke([*messages, AIMessage(wrong), HumanMessage("No call was made: input is not known.")]).text
    sound = OfflineExecutor(error_rates=NO_ERRORS).invoke(messages).text
    assert again == sound
