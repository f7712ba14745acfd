"""The offline designer plans what the runtime accepts, reacts to what happened, and claims nothing without evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from flowwright import Context, Policies, build_graph
from flowwright.operators.sandbox import SandboxUnavailable, open_sandbox
from flowwright.policies.offline import NO_ERRORS, RATES, OfflineDesigner
from flowwright.training.tasks import FAMILIES, check_answer
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from offline_run import KINDS, Run, about, decision, designer_prompt

QUESTIONS = {name: [one.question for one in family.generate(2, 2)] for name, family in FAMILIES.items()}
SHAKY = {
    **{name: 0.6 for name in RATES if name.startswith("answer.")},
    "refine.answer": 0.5, "refine.code": 0.5, "review.false_accept": 0.3, "review.false_reject": 0.3,
    "check.crash": 0.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> None:
    try:
        open_sandbox()
    except SandboxUnavailable as why:
        pytest.skip(str(why))


def operators_of(action: dict[str, Any]) -> list[str]:
    return [one["params"]["instruction_type"] for one in action.get("operators", [])]


def entry(key: str, kind: str, sources: Sequence[str] = ("problem@1",), **facts: Any) -> dict[str, Any]:
    by = next(operator for operator, made in KINDS.items() if made == kind)
    return {"key": key, "kind": kind, "by": by, "from": list(sources), "size": 9, **facts}


# Whole runs


@pytest.mark.parametrize("name", FAMILIES)
def test_most_problems_are_finished_and_rightly_so(name: str, sandbox: None) -> None:
    right = finished = refused = 0
    for number, task in enumerate(FAMILIES[name].generate(41, 24)):
        run = Run(task.question, seed=number)
        end, answer = run.result()
        finished += end == "finished"
        right += check_answer(task.question, answer) is True
        refused += run.refused
    assert finished >= 21
    assert right >= finished - 1
    assert refused < 24


@pytest.mark.parametrize("name", ["game24", "equations"])
def test_with_a_shaky_executor_executed_checks_still_let_no_wrong_answer_through(name: str, sandbox: None) -> None:
    ends = []
    for number, task in enumerate(FAMILIES[name].generate(42, 30)):
        run = Run(task.question, rates=SHAKY, seed=number)
        end, answer = run.result()
        ends.append(end)
        assert len(set(run.steps)) == len(run.steps), "a step was repeated in the same words"
        if end == "finished":
            assert check_answer(task.question, answer), answer
            assert proven_by_test(run.memory, run.claimed)
    assert ends.count("finished") >= 15


def test_what_cannot_be_had_is_given_up_after_trying(sandbox: None) -> None:
    run = Run(
        "Use each of the numbers 1, 1, 1, 1 exactly once, with +, -, *, / and parentheses, to make 24.", NO_ERRORS
    )
    assert run.result() == ("gave up", None)
    assert [one["kind"] for one in run.memory].count("answer") == 2
    always = dict.fromkeys((name for name in RATES if name.startswith(("answer.", "refine."))), 1.0)
    hopeless = Run(QUESTIONS["game24"][1], {**NO_ERRORS, **always})
    assert hopeless.result() == ("gave up", None)
    assert [one["passed"] for one in hopeless.memory if one["kind"] == "test"].count(False) >= 6


@pytest.mark.parametrize("name", FAMILIES)
async def test_the_pair_solves_problems_through_the_graph(name: str, sandbox: None) -> None:
    graph = build_graph("dyflow", policies=Policies(designer="offline", executor="offline"))
    for task in FAMILIES[name].generate(43, 4):
        config = {"configurable": {"thread_id": task.id}}
        result = await graph.ainvoke({"task": {"question": task.question}}, config, context=Context(seed=5))
        assert (result["status"], check_answer(task.question, result["answer"])) == ("finished", True)


async def test_the_pair_does_not_answer_what_it_cannot_solve() -> None:
    graph = build_graph("dyflow", policies=Policies(designer="offline", executor="offline"))
    config = {"configurable": {"thread_id": "foreign"}}
    result = await graph.ainvoke({"task": {"question": "Who was the first to cross the river?"}}, config)
    assert (result["status"], result["answer"], result["usage"]["calls"]) == ("failed", None, 1)


# Evidence


def proven_by_test(memory: list[dict[str, Any]], key: str | None) -> bool:
    """Whether the last test of the candidate, or of a program written from it, passed."""
    run = {key} | {one["key"] for one in memory if one["kind"] == "code" and key in one["from"]}
    passed = [one["passed"] for one in memory if one["kind"] == "test" and run & {*one["from"]}]
    outcomes = [one for one in passed if one is not None]
    return bool(outcomes) and outcomes[-1]


def convincing(memory: list[dict[str, Any]], key: str) -> bool:
    """Whether the candidate's last review accepted it, and another candidate or its own vote agrees with it."""
    me = next(one for one in memory if one["key"] == key)
    verdicts = [one["verdict"] for one in memory if one["kind"] == "review" and key in one["from"] and one["verdict"]]
    others = [one for one in memory if one.get("answer") == me.get("answer") and one["key"] != key]
    agreed = bool(others) or me.get("support", 0) >= 0.6
    return bool(verdicts) and verdicts[-1] == "accept" and agreed


@st.composite
def memories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Memories such as a run could have, in any order of events."""
    memory: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 9))):
        keys = [one["key"] for one in memory] or ["problem@1"]
        sources = ["problem@1", *draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))]
        kind = draw(st.sampled_from(["answer", "vote", "review", "code", "test", "plan"]))
        facts: dict[str, Any] = {}
        if kind in ("answer", "vote"):
            facts = {"answer": draw(st.sampled_from(["1", "2", "5/3"]))}
        if kind == "vote":
            facts["support"] = draw(st.sampled_from([0.2, 0.6, 1.0]))
        if kind == "review":
            facts = {"verdict": draw(st.sampled_from(["accept", "minor_issues", "major_issues", "reject", None]))}
        if kind == "test":
            facts = {
                "passed": draw(st.sampled_from([True, False, None])),
                "excerpt": draw(st.sampled_from(["failed", "?"])),
            }
        memory.append(entry(f"e{number}@1", kind, sources, **facts))
    return memory


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(QUESTIONS)), st.integers(0, 1), memories(), st.integers(1, 8))
def test_whatever_the_memory_a_claim_has_evidence_and_a_stage_can_be_run(
    name: str, hard: int, memory: list[dict[str, Any]], turn: int
) -> None:
    action = decision(QUESTIONS[name][hard], memory, turn=turn)
    if "finish" in action:
        claimed = next(one for one in memory if one["key"] == action["finish"])
        assert claimed["kind"] in (("code",) if name == "functions" else ("answer", "vote"))
        tested = proven_by_test(memory, claimed["key"])
        assert tested if name in ("game24", "equations", "functions") else tested or convincing(memory, claimed["key"])
    elif "operators" in action:
        runnable(action, {"problem@1", *(one["key"] for one in memory)})
        assert turn < 8
    else:
        assert set(action) == {"give_up"}


def runnable(action: dict[str, Any], known: set[str]) -> None:
    """Fails unless the runtime would accept the stage."""
    made: set[str] = set()
    assert action["stage_description"]
    assert 1 <= len(action["operators"]) <= 6
    for params in (one["params"] for one in action["operators"]):
        assert params["instruction_type"] in KINDS
        assert set(params["input_keys"]) <= known | made, "an input that is not there yet"
        assert len(set(params["input_keys"])) == len(params["input_keys"])
        assert re.fullmatch(r"[A-Za-z]\w{0,47}", params["output_key"])
        assert params["output_key"] not in made | {"problem"}
        assert params["input_usage"].strip()
        made.add(params["output_key"])


# Reactions


def test_families_and_difficulties_get_different_openings() -> None:
    openings = {
        (name, n): tuple(operators_of(decision(one))) for name, pair in QUESTIONS.items() for n, one in enumerate(pair)
    }
    assert openings["arithmetic", 0] == ("GENERATE_ANSWER", "GENERATE_ANSWER", "REVIEW_SOLUTION")
    assert openings["arithmetic", 1] == ("DECOMPOSE_PROBLEM", "SELF_CONSISTENCY_ENSEMBLE", "REVIEW_SOLUTION")
    assert openings["game24", 0] == ("GENERATE_ANSWER", "GENERATE_CODE", "TEST_CODE")
    assert openings["functions", 1] == ("GENERATE_PLAN", "GENERATE_CODE", "TEST_CODE", "REVIEW_SOLUTION")
    assert openings["word_problems", 0][0] == "GENERATE_PLAN"
    assert len(set(openings.values())) >= 7


def test_a_failed_check_repairs_the_candidate_and_a_crashed_one_the_program() -> None:
    made = [entry("draft@1", "answer", answer="1 + 1"), entry("program@1", "code", ["problem@1", "draft@1"])]
    for excerpt, operator, inputs in (
        ("Test result: failed. assert result == 24", "REFINE_ANSWER", ["problem@1", "draft@1", "check@1"]),
        ("Test result: error. SyntaxError", "REFINE_CODE", ["problem@1", "draft@1", "program@1", "check@1"]),
    ):
        test = entry("check@1", "test", ["program@1"], passed=False, excerpt=excerpt)
        action = decision(QUESTIONS["game24"][0], [*made, test], turn=2)
        assert operators_of(action)[0] == operator
        assert action["operators"][0]["params"]["input_keys"] == inputs
    assert operators_of(decision(QUESTIONS["game24"][0], made[:1], turn=2)) == ["GENERATE_CODE", "TEST_CODE"]
    refined = {**entry("draft@2", "answer", answer="2"), "by": "REFINE_ANSWER"}
    program, test = entry("program@2", "code", ["draft@2"]), entry("check@2", "test", ["program@2"], passed=False)
    fresh = decision(QUESTIONS["game24"][0], [*made, refined, program, {**test, "excerpt": "failed"}], turn=3)
    assert operators_of(fresh) == ["GENERATE_ANSWER", "GENERATE_CODE", "TEST_CODE"] * 2


def test_a_rejected_answer_is_refined_and_an_accepted_lone_one_is_not_yet_claimed() -> None:
    draft, other = entry("draft@1", "answer", answer="7"), entry("second@1", "answer", answer="7.0")
    accept, reject = (
        entry("review@1", "review", ["problem@1", "draft@1"], verdict=one) for one in ("accept", "reject")
    )
    question = QUESTIONS["arithmetic"][0]
    refined = decision(question, [draft, reject], turn=2)["operators"][0]["params"]
    assert (refined["instruction_type"], refined["input_keys"]) == (
        "REFINE_ANSWER",
        ["problem@1", "draft@1", "review@1"],
    )
    assert "GENERATE_ANSWER" in operators_of(decision(question, [draft, accept], turn=2))
    assert decision(question, [draft, other, accept], turn=2)["finish"] == "draft@1"
    descended = {**other, "from": ["problem@1", "draft@1"]}
    assert "finish" not in decision(question, [draft, descended, accept], turn=2)
    rival = entry("vote@1", "vote", answer="8", support=0.8)
    assert "finish" not in decision(
        question, [draft, other, accept, rival, entry("r@1", "review", ["vote@1"], verdict="accept")]
    )


def test_the_last_word_of_tests_and_of_reviews_counts() -> None:
    drafts = [entry("draft@1", "answer", answer="1"), entry("second@1", "answer", answer="1")]
    reviews = [
        entry(f"r@{n}", "review", ["draft@1"], verdict=one) for n, one in enumerate(["accept", "accept", "reject"])
    ]
    assert decision(QUESTIONS["statistics"][0], [*drafts, *reviews[:2]])["finish"] == "draft@1"
    assert "finish" not in decision(QUESTIONS["statistics"][0], [*drafts, *reviews])
    programs = [entry(f"p@{n}", "code", ["draft@1"]) for n in range(2)]
    tests = [entry(f"t@{n}", "test", [f"p@{n}"], passed=n == 0, excerpt="failed") for n in range(2)]
    assert decision(QUESTIONS["game24"][0], [*drafts, *programs, *tests[:1]])["finish"] == "draft@1"
    assert "finish" not in decision(QUESTIONS["game24"][0], [*drafts, *programs, *tests])


def test_a_review_loop_ends_in_an_executed_check() -> None:
    memory = [entry("draft@1", "answer", answer="7"), entry("review@1", "review", ["draft@1"], verdict="reject")]
    warning = {"kind": "policy", "code": "review_loop", "message": "again"}
    action = decision(QUESTIONS["arithmetic"][0], memory, turn=4, feedback=[warning])
    assert operators_of(action) == ["GENERATE_CODE", "TEST_CODE"]
    assert action["operators"][0]["params"]["input_keys"] == ["problem@1", "draft@1"]


@pytest.mark.parametrize("budget", [{"turn": 8}, {"operations": 32}, {"calls": 97}])
@pytest.mark.parametrize("name", FAMILIES)
def test_with_nothing_verified_at_the_end_of_the_budget_it_gives_up(name: str, budget: dict[str, int]) -> None:
    memory = [entry("draft@1", "answer", answer="7"), entry("code@1", "code")]
    assert set(decision(QUESTIONS[name][0], memory, **budget)) == {"give_up"}


def test_an_unknown_problem_is_given_up_at_once() -> None:
    assert "rule-based" in decision("Who was the first to cross the river?")["give_up"]


def test_only_operators_on_offer_are_planned() -> None:
    few = ["GENERATE_PLAN", "GENERATE_ANSWER", "REVIEW_SOLUTION", "REFINE_ANSWER", "GENERATE_CODE", "REFINE_CODE"]
    for pair in QUESTIONS.values():
        for question in pair:
            assert set(operators_of(decision(question, operators=few))) <= set(few)
    refusal = {"kind": "policy", "code": "unknown_operator", "message": "no operator 'SELF_CONSISTENCY_ENSEMBLE'"}
    action = decision(QUESTIONS["statistics"][0], feedback=[refusal])
    assert operators_of(action) == ["GENERATE_ANSWER", "REVIEW_SOLUTION"]


@pytest.mark.parametrize("name", ["game24", "functions"])
def test_where_nothing_can_be_run_these_are_never_claimed(name: str) -> None:
    memory = [
        entry("draft@1", "answer", answer="1"), entry("second@1", "answer", answer="1"), entry("code@1", "code"),
        entry("r@1", "review", ["draft@1"], verdict="accept"), entry("r@2", "review", ["code@1"], verdict="accept"),
    ]  # fmt: skip
    assert "give_up" in decision(QUESTIONS[name][0], memory, operators=["GENERATE_ANSWER", "REVIEW_SOLUTION"])


# Slips


def test_designs_are_spoilt_as_often_as_documented_and_never_after_a_refusal() -> None:
    kinds = {"malformed": 0, "key": 0, "operator": 0}
    refusal = {"kind": "policy", "code": "no_json", "message": "no JSON object"}
    draws = 3000
    prompt = designer_prompt(QUESTIONS["game24"][0])
    corrected = [*prompt, AIMessage("{"), HumanMessage("That was refused. Reply with one corrected JSON object.")]
    told = designer_prompt(QUESTIONS["game24"][0], feedback=[refusal])
    sound = json.loads(OfflineDesigner(error_rates=NO_ERRORS).invoke(prompt).text)
    for seed in range(draws):
        text = OfflineDesigner().bind(seed=seed).invoke(prompt).text
        try:
            params = [one["params"] for one in json.loads(text)["operators"]]
        except ValueError:
            kinds["malformed"] += 1
            continue
        kinds["key"] += any("solution_final" in one["input_keys"] for one in params)
        kinds["operator"] += any(one["instruction_type"] not in KINDS for one in params)
        if seed < 300:
            assert json.loads(OfflineDesigner().bind(seed=seed).invoke(corrected).text) == sound
            assert json.loads(OfflineDesigner().bind(seed=seed).invoke(told).text) == sound
    assert about(kinds["malformed"], draws, RATES["design.malformed_json"])
    assert about(kinds["key"], draws, RATES["design.unknown_key"] * 0.97)
    assert about(kinds["operator"], draws, RATES["design.unknown_operator"] * 0.97**2)
