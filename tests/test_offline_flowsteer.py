"""Offline, FlowSteer's director builds canvases of several shapes, mends what came out wrong, and finishes on what the
canvas shows and on nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from flowwright.graphs.canvas.action import ACTIONS
from flowwright.graphs.canvas.board import Board
from flowwright.graphs.canvas.dsl import dsl_of
from flowwright.graphs.canvas.statistics import has_structure, statistics_of
from flowwright.graphs.canvas.tags import read_tags
from flowwright.graphs.canvas.wire import read_json
from flowwright.operators.flowsteer import FLOWSTEER_OPERATORS
from flowwright.policies.offline import NO_ERRORS, RATES, OfflineDesigner
from flowwright.training.tasks import FAMILIES, check_answer
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from offline_run import about, ask, last_line
from offline_systems import FOREIGN, IMPOSSIBLE, need_sandbox, refused, replies_elsewhere, replies_of, solved

QUESTIONS = {name: [one.question for one in family.generate(2, 2)] for name, family in FAMILIES.items()}
OPERATORS = tuple(one.name for one in FLOWSTEER_OPERATORS)
ANSWERS = {name: rate for name, rate in dict.fromkeys(RATES, 0.6).items() if name.startswith("answer.")}
SHAKY = {**ANSWERS, "refine.answer": 0.4, "refine.code": 0.4, "verify.slip": 0.3, "review.false_reject": 0.3}
SPOILT = {"design.malformed_json": 0.2, "design.unknown_key": 0.2, "design.unknown_operator": 0.2}
Facts = Mapping[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> None:
    need_sandbox()


def prompt(
    question: str,
    *nodes: Facts,
    result: str | None = None,
    done: tuple[str, ...] = (),
    awaited: str | None = None,
    rules: str = "an operator",
    tags: bool = False,
    feedback: tuple[Facts, ...] = (),
    operators: tuple[str, ...] = OPERATORS,
    **budget: int,
) -> list[BaseMessage]:
    """A director's prompt."""
    whole = {"canvas": "..."} | ({} if result is None else {"result": result})
    waiting = [] if awaited is None else [{"awaiting_prompt_of": awaited, "node": None, "number": 1, "of": 1}]
    left = {"turn": len(done) + 1, "turns": 16, "operations": 0, "calls": 0} | budget
    history = [{"turn": number, "did": line} for number, line in enumerate(done, 1)]
    parts = {"history": history, "canvas": [whole, *waiting, *nodes], "budget": [left], "feedback": feedback}
    sections = ["\n".join((f"<{name}>", *map(json.dumps, lines), f"</{name}>")) for name, lines in parts.items()]
    listed = "\n".join(f"- {name}: what it does." for name in operators)
    form = "- <action>add</action><operator>NAME</operator>" if tags else '- {"action": "add", ...}'
    opening = "You direct a workflow for one problem on a canvas: a sequence of nodes."
    system = f"{opening}\n{listed}\n{form}\n- A workflow can finish when it has {rules}.\n- A refused action ..."
    return [SystemMessage(system), HumanMessage("\n".join((f"<problem>\n{question}\n</problem>", *sections)))]


def reply(*args: Any, **more: Any) -> str:
    return OfflineDesigner(error_rates=NO_ERRORS).invoke(prompt(*args, **more)).text


def action(*args: Any, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(reply(*args, **more))
    return said


def node(number: int, operator: str, **facts: Any) -> dict[str, Any]:
    return {"node": f"node_{number}", "operator": operator, "state": "ok", "key": f"node_{number}@1", **facts}


def shape_of(state: Any) -> str:
    return dsl_of(Board.of(state["canvas"]).canvas)


# Whole runs


@pytest.mark.parametrize("name", FAMILIES)
async def test_problems_of_every_family_are_finished_and_rightly_so(name: str, sandbox: None) -> None:
    for number, task in enumerate(FAMILIES[name].generate(61, 3)):
        state = await solved("flowsteer", task.question, seed=number)
        assert (state["status"], check_answer(task.question, state["answer"])) == ("finished", True)


@pytest.mark.parametrize("name", FAMILIES)
async def test_the_published_form_is_spoken_and_its_rules_are_met(name: str, sandbox: None) -> None:
    task = FAMILIES[name].generate(62, 2)[1]
    state = await solved("flowsteer", task.question, preset="paper", rates={**NO_ERRORS, "verify.slip": 0.2})
    assert (state["status"], check_answer(task.question, state["answer"])) == ("finished", True)
    assert refused(state) == []
    assert all(one["reply"].startswith("<") for one in state["turns"])
    numbers = statistics_of(Board.of(state["canvas"]).canvas)
    assert (numbers["total_operators"] >= 5, has_structure(numbers)) == (True, True)


async def test_slips_are_repaired_by_many_kinds_of_edits_and_let_no_wrong_answer_through(sandbox: None) -> None:
    ends, actions, codes, shapes = [], set[str](), set[str](), set[str]()
    for name in FAMILIES:
        for number, task in enumerate(FAMILIES[name].generate(63, 4)):
            state = await solved("flowsteer", task.question, seed=number, rates={**SHAKY, **SPOILT})
            ends.append(state["status"])
            actions |= {one["action"]["action"] for one in state["turns"] if one["action"]}
            codes |= {*refused(state)}
            shapes.add(shape_of(state))
            if state["status"] == "finished" and name in ("equations", "game24", "functions"):
                assert check_answer(task.question, state["answer"]), (task.question, state["answer"])
    assert ends.count("finished") >= 18
    assert len(shapes) >= 8
    assert actions >= {"add", "parallel", "conditional", "loop", "set_prompt", "inspect", "finish"}
    assert {"unknown_operator", "unknown_node"} <= codes


async def test_what_it_cannot_solve_is_not_claimed(sandbox: None) -> None:
    for question in (FOREIGN, IMPOSSIBLE):
        state = await solved("flowsteer", question, rates=NO_ERRORS)
        assert (state["status"], state["answer"]) == ("failed", None)
        assert shape_of(state) == "Plan"
        assert refused(state) == []


@pytest.mark.parametrize("budget", [{"turns": 2}, {"turns": 4}, {"operations": 2}, {"calls": 3}, {"calls": 8}])
async def test_small_budgets_are_kept_and_nothing_unproven_is_claimed(budget: Any, sandbox: None) -> None:
    (resource, limit), ends = *budget.items(), []
    for _, question in QUESTIONS.values():
        state = await solved("flowsteer", question, budget=budget)
        assert state["usage"][resource] <= limit
        ends.append(state["status"])
        assert state["status"] != "finished" or check_answer(question, state["answer"])
    assert set(ends) - {"finished"}, "the budget was never short"


@pytest.mark.parametrize("preset", ["default", "paper"])
async def test_a_run_is_the_same_in_every_process(preset: str, sandbox: None) -> None:
    questions = [QUESTIONS["game24"][1], QUESTIONS["statistics"][1]]
    here = [replies_of(await solved("flowsteer", one, seed=3, preset=preset)) for one in questions]
    assert replies_elsewhere("flowsteer", preset, questions, "7") == json.loads(json.dumps(here))


async def test_operators_that_are_not_on_offer_are_replaced() -> None:
    few = ["AnswerGenerate", "Verify", "Review", "ScEnsemble"]
    for name in ("arithmetic", "word_problems", "statistics", "equations"):
        state = await solved("flowsteer", QUESTIONS[name][1], operators=few, seed=1)
        assert (state["status"], check_answer(QUESTIONS[name][1], state["answer"])) == ("finished", True)
        assert {one["operator"] for one in state["operations"]} <= {*few}
    state = await solved("flowsteer", QUESTIONS["game24"][0], operators=few)
    assert state["status"] != "finished", "of 24 only a test says anything"


# Decisions


def test_families_and_difficulties_get_different_canvases() -> None:
    openings = {(name, n): action(one) for name, pair in QUESTIONS.items() for n, one in enumerate(pair)}
    assert openings["arithmetic", 0]["operator"] == "Programmer"
    assert [[one["operator"] for one in branch] for branch in openings["arithmetic", 1]["branches"]] == [
        ["AnswerGenerate"], ["Programmer"],
    ]  # fmt: skip
    assert openings["game24", 1]["operator"] == "Plan"
    loop = action(QUESTIONS["game24"][1], node(1, "Plan"), done=("+ node_1 Plan at the start",))
    assert (loop["action"], loop["until"], len(loop["body"])) == ("loop", {"test": "passes"}, 2)
    assert len({one["action"] + one.get("operator", "") for one in openings.values()}) >= 5


def test_a_finish_needs_the_evidence_of_its_family() -> None:
    made = node(1, "Programmer", answer="7")
    question = QUESTIONS["arithmetic"][0]
    accepted, reviewed = (node(2, name, verdict="accept") for name in ("Verify", "Review"))
    reviewed["node"] = "node_3"
    assert action(question, made, accepted, reviewed, result="node_1@1") == {"action": "finish"}
    assert action(question, made, accepted, result="node_1@1")["operator"] == "Review"
    assert action(question, made, {**accepted, "verdict": "reject"}, result="node_1@1")["action"] != "finish"
    twice = {**reviewed, "node": "node_2"}, reviewed
    assert action(question, made, *twice, result="node_1@1")["operator"] == "Verify", "nobody came to the same"
    tested = node(3, "Test", passed=True)
    game = QUESTIONS["game24"][0]
    assert action(game, made, accepted, result="node_1@1")["action"] != "finish"
    assert action(game, made, tested, result="node_1@1") == {"action": "finish"}
    function = QUESTIONS["functions"][0]
    assert action(function, made, tested, result="node_1@1")["action"] != "finish"
    assert action(function, made, tested, accepted, result="node_1@1") == {"action": "finish"}


def test_checks_of_an_older_candidate_count_for_nothing() -> None:
    checks = [node(number, name, verdict="accept") for number, name in enumerate(("Verify", "Review"), 2)]
    nodes, revised = [node(1, "Programmer", answer="7"), *checks], node(4, "Revise", answer="8")
    assert action(QUESTIONS["arithmetic"][0], *nodes, revised, result="node_4@1")["action"] != "finish"
    same = {**revised, "operator": "Format", "answer": "7"}
    assert action(QUESTIONS["arithmetic"][0], *nodes, same, result="node_4@1") == {"action": "finish"}


def test_branches_at_odds_get_another_one_and_a_refused_result_another_opinion_and_a_revision() -> None:
    question = QUESTIONS["arithmetic"][1]
    branches = {"node": "node_1", "kind": "parallel", "branches": [["node_2"], ["node_3"]], "state": "ok"}
    inside = [node(2, "AnswerGenerate", answer="7"), node(3, "Programmer", answer="8")]
    judged = [node(4, "ScEnsemble", answer="8"), node(5, "Verify", verdict="reject")]
    assert action(question, branches, *inside, *judged, result="node_4@1") == {"action": "inspect", "node": "node_5"}
    looked = ("inspect node_5",)
    more = action(question, branches, *inside, *judged, result="node_4@1", done=looked)
    assert (more["into"], more["operator"]) == ({"node": "node_1", "part": "new_branch"}, "Custom")
    changed = reply(question, branches, *inside, *judged, result="node_4@1", done=looked, tags=True)
    assert changed == "<action>modify</action><target>node_2</target><operator>Custom</operator>"
    easy, made = QUESTIONS["arithmetic"][0], node(1, "Programmer", answer="7")
    rejected = [node(number, "Verify", verdict="reject") for number in (2, 3)]
    assert action(easy, made, rejected[0], result="node_1@1")["operator"] == "Review"
    assert action(easy, made, *rejected, result="node_1@1")["operator"] == "Revise"
    done = ("+ node_4 Revise after node_3",)
    again = action(easy, made, *rejected, result="node_1@1", done=done)
    assert (again["action"], again["target"]) == ("set_prompt", "node_1")


def test_finish_rules_of_the_prompt_are_met_before_it_finishes() -> None:
    made = node(1, "Programmer", answer="7")
    checks = [node(number, name, verdict="accept") for number, name in enumerate(("Verify", "Review"), 2)]
    rules = "5 operators or more; one of Format, Revise unless the answer is one short line"
    step = action(QUESTIONS["arithmetic"][0], made, *checks, result="node_1@1", rules=rules)
    assert step["operator"] == "Format"
    voted = action(QUESTIONS["arithmetic"][0], rules="2 operators or more; a parallel, a conditional or a loop")
    assert voted["action"] == "parallel"


def test_an_awaited_prompt_is_given_and_nothing_else() -> None:
    for tags in (True, False):
        text = reply(QUESTIONS["game24"][0], awaited="Programmer", tags=tags)
        assert "solve()" in text
    assert reply(QUESTIONS["game24"][0], awaited="Test", tags=True).startswith("<prompt>")


def test_a_last_turn_claims_nothing_that_is_not_proven() -> None:
    made = node(1, "Programmer", answer="7")
    last = action(QUESTIONS["arithmetic"][0], made, result="node_1@1", turn=16)
    assert last == {"action": "inspect", "node": "node_1"}


# Slips


@pytest.mark.parametrize("tags", [True, False])
def test_decisions_are_spoilt_as_often_as_documented_and_never_after_a_refusal(tags: bool) -> None:
    question, draws, kinds = QUESTIONS["arithmetic"][0], 1500, {"malformed": 0, "operator": 0}
    messages = prompt(question, tags=tags)
    sound = OfflineDesigner(error_rates=NO_ERRORS).invoke(messages).text
    corrected = [*messages, AIMessage("{"), HumanMessage("That was refused. Reply with one corrected decision.")]
    told = prompt(question, tags=tags, feedback=({"kind": "policy", "code": "no_json", "message": "none"},))
    for seed in range(draws):
        text = OfflineDesigner().bind(seed=seed).invoke(messages).text
        kinds["malformed"] += sound.startswith(text) and text != sound
        kinds["operator"] += "Solver" in text
        if seed < 200:
            assert OfflineDesigner().bind(seed=seed).invoke(corrected).text == sound
            assert OfflineDesigner().bind(seed=seed).invoke(told).text == sound
    assert about(kinds["malformed"], draws, RATES["design.malformed_json"])
    assert about(kinds["operator"], draws, RATES["design.unknown_operator"] * 0.97)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_opening_is_an_action_in_both_forms(name: str) -> None:
    for question in QUESTIONS[name]:
        assert read_json(action(question)).action in ACTIONS
        assert read_tags(reply(question, tags=True), awaiting=False).action in ACTIONS  # type: ignore[union-attr]


# Operators


@pytest.mark.parametrize("name", [one for one in FAMILIES if one != "functions"])
def test_a_verification_accepts_what_is_right_and_slips_as_often_as_documented(name: str) -> None:
    tasks, wrongly = FAMILIES[name].generate(64, 300), 0
    for number, task in enumerate(tasks):
        right = ask("GENERATE_ANSWER", {"problem@1": task.question}, error_rates=NO_ERRORS)
        text = ask("VERIFY", {"problem@1": task.question, "node_1@1": right}, seed=number)
        wrongly += text.splitlines()[-1] != "Verdict: accept"
    assert about(wrongly, len(tasks), RATES["verify.slip"])


def test_merging_keeps_a_result_that_holds_and_formatting_changes_none() -> None:
    inputs = {"problem@1": "What is 2 + 3?", "a@1": "Answer: 6", "b@1": "So it is.\nAnswer: 5"}
    assert last_line(ask("AGGREGATE", inputs, error_rates=NO_ERRORS)) == "5"
    assert last_line(ask("AGGREGATE", {**inputs, "c@1": "Answer: 6"}, error_rates=NO_ERRORS)) == "6"
    assert ask("FORMAT", inputs) == "Answer: 5"
    assert last_line(ask("FORMAT", {"problem@1": "What is 2 + 3?"})) is None
