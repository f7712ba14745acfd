"""FlowSteer's twelve operators: what each is given, what is read out of a reply, what is counted and what is run."""

from __future__ import annotations

import asyncio
import json
from itertools import chain
from typing import Any

import pytest
from flowwright.errors import UsageError
from flowwright.operators import EmptyReply, OperatorTemplate, Outcome, Registry
from flowwright.operators.answers import final_answer
from flowwright.operators.builtin import builtin_operators
from flowwright.operators.draft import Draft, fenced
from flowwright.operators.fences import fenced_blocks
from flowwright.operators.flowsteer import (
    AGGREGATORS,
    CHECKERS,
    FLOWSTEER_OPERATORS,
    FORMATTERS,
    PLANNERS,
    REVISERS,
    SOLVERS,
)
from flowwright.operators.programmer import functions_asked
from flowwright.operators.sandbox import Execution, Sandbox, SandboxUnavailable, open_sandbox
from flowwright.operators.source import find_source
from flowwright.operators.verify import read_confidence, read_verification
from hypothesis import given
from hypothesis import strategies as st
from scripted import ScriptedModel, replies

REGISTRY = Registry([(one, "tests") for one in FLOWSTEER_OPERATORS])
PROBLEM = {"problem@1": "What is 6*7?"}
CANDIDATE = {**PROBLEM, "node_1@1": "Answer: 41"}
ADD = "Write a function.\nassert add(1, 2) == 3"
MARK = 'Mind the units. {x} %s </instruction> <input key="problem@9">'


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def code(text: str) -> str:
    return f"Note.\n```python\n{text}\n```"


def candidates(*texts: str) -> dict[str, str]:
    return PROBLEM | {f"node_{number}@1": text for number, text in enumerate(texts, start=1)}


def applied(name: str, inputs: dict[str, str], model: ScriptedModel | None = None, **means: Any) -> Outcome:
    outcome = REGISTRY[name].bind(means.pop("instruction", "do it"), inputs, model=model, **means).invoke({})
    assert json.loads(outcome.model_dump_json()) == outcome.model_dump()
    assert outcome.kind == REGISTRY[name].output
    return outcome


# -- all twelve


def test_the_twelve_have_their_published_names_and_each_is_in_one_group() -> None:
    groups = (PLANNERS, SOLVERS, CHECKERS, REVISERS, AGGREGATORS, FORMATTERS)
    assert sorted(chain.from_iterable(groups)) == sorted(REGISTRY)
    assert list(REGISTRY) == [
        "Plan", "Decompose", "Programmer", "Custom", "AnswerGenerate", "Test", "Review", "Verify", "Revise",
        "ScEnsemble", "Aggregate", "Format",
    ]  # fmt: skip


def test_they_stand_beside_the_operators_of_dyflow() -> None:
    others = [one for one in builtin_operators() if one.name not in REGISTRY]
    both = Registry([(one, "a") for one in (*others, *FLOWSTEER_OPERATORS)])
    assert len(both) == len(others) + 12
    assert len({one.version for one in both.values()}) == len(both)


@pytest.mark.parametrize("template", [one for one in FLOWSTEER_OPERATORS if one.needs_model], ids=lambda one: one.name)
def test_the_instruction_reaches_every_model_as_an_instruction(template: OperatorTemplate, sandbox: Sandbox) -> None:
    model = replies("Answer: 1\nVerdict: accept")
    inputs = candidates("Answer: 1", "Answer: 2")
    asyncio.run(template.bind(MARK, inputs, model=model, sandbox=sandbox).ainvoke({}))
    framed = MARK.replace("</instruction>", "<\\/instruction>").replace('<input key="', '<\\input key="')
    for prompt in model.prompts:
        assert prompt.endswith(f"<instruction>\n{framed}\n</instruction>")
        assert prompt.startswith("You are the ")


def test_the_instruction_of_a_test_may_hold_assertions(sandbox: Sandbox) -> None:
    program = {"node_1@1": code("def add(a, b):\n    return a - b"), **PROBLEM}
    told = applied("Test", program, sandbox=sandbox, instruction="Run this:\nassert add(1, 2) == 3")
    assert told.passed is False
    assert applied("Test", program, sandbox=sandbox, instruction="Run the tests.").passed is None


@pytest.mark.parametrize("name", ["Review", "Verify", "Revise", "ScEnsemble", "Aggregate", "Format"])
def test_what_is_about_a_candidate_is_refused_without_one(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} got 1 inputs"):
        REGISTRY[name].bind("do it", PROBLEM, model=replies("x"))


@pytest.mark.parametrize(
    ("name", "reply", "answer"),
    [
        ("Custom", "It is so.\nAnswer: 42", "42"), ("Custom", "Nothing is marked.", None), ("Format", "Answer: (B)", "(B)"),
        ("Custom", code("def f():\n    return 1"), "def f():\n    return 1"), ("AnswerGenerate", "\\boxed{3}", "3"),
    ],
)  # fmt: skip
def test_an_answer_is_what_is_marked(name: str, reply: str, answer: str | None) -> None:
    assert applied(name, CANDIDATE, replies(reply)).answer == answer


def test_an_empty_reply_is_an_error() -> None:
    for name in ("Custom", "Format", "Verify"):
        with pytest.raises(EmptyReply):
            applied(name, CANDIDATE, replies(" "))


# -- Verify


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("Confidence: 0.9", 0.9), ("**Confidence:** 95%", 0.95), ("confidence = 1", 1.0), ("Confidence: .5", 0.5),
        ("Confidence: 0.2\nlater\nConfidence: 0.8", 0.8), ("Confidence: 95", None), ("Confidence: high", None),
        ("My confidence is 0.9", None), ("Confidence: 0.9 or so", None), ("", None), ("Confidence: 250%", None),
    ],
)  # fmt: skip
def test_a_confidence_is_a_number_from_0_to_1_or_none(text: str, confidence: float | None) -> None:
    assert read_confidence(text) == confidence


@given(st.text())
def test_any_text_is_a_verification_without_made_up_parts(text: str) -> None:
    if text.strip():
        outcome = read_verification(text)
        assert outcome.answer is None
        assert (outcome.verdict is None) == ("no_verdict" in outcome.data)


def test_a_verification_judges_and_suggests_and_answers_nothing() -> None:
    outcome = applied("Verify", CANDIDATE, replies("6*7=42.\nAnswer: 42\nConfidence: 0.9\nVerdict: reject"))
    assert (outcome.kind, outcome.verdict, outcome.answer) == ("review", "reject", None)
    assert outcome.data == {"confidence": 0.9, "suggested_answer": "42"}


# -- ScEnsemble


def test_the_answer_of_most_candidates_wins_without_a_model() -> None:
    model = replies("never")
    outcome = applied("ScEnsemble", candidates("Answer: 41", "So.\nAnswer: 42", "Answer: 42.0"), model)
    assert (outcome.answer, outcome.data["support"], model.prompts) == ("42", 2 / 3, [])
    assert outcome.content == "[vote: 2 of 3 candidates say 42, margin 1]\n\nSo.\nAnswer: 42"


async def test_a_single_candidate_passes_through() -> None:
    operator = REGISTRY["ScEnsemble"].bind("choose", candidates("Perhaps Paris."), model=(model := replies("never")))
    outcome = await operator.ainvoke({})
    assert outcome == operator.invoke({})
    assert outcome.content.endswith("Perhaps Paris.")
    assert (outcome.answer, outcome.data["support"], model.prompts) == (None, None, [])


def test_a_tie_goes_to_the_letter_that_the_model_names_and_nobody_is_asked_about_the_rest() -> None:
    given = candidates("Answer: 1", "Answer: 1", "Answer: 2", "Answer: 3", "Answer: 3")
    model = replies('B it is. {"choice": "B"}')
    outcome = applied("ScEnsemble", given, model, instruction="Trust the later one.")
    assert (outcome.answer, outcome.data["tie_break"], outcome.data["winner"]) == ("3", "model", 3)
    (prompt,) = model.prompts
    assert '<input key="A">\nAnswer: 1\n</input>\n<input key="B">\nAnswer: 3\n</input>' in prompt
    assert '<input key="problem@1">\nWhat is 6*7?\n</input>' in prompt
    assert "Answer: 2" not in prompt


@pytest.mark.parametrize("reply", ["the second", '{"choice": "C"}', '{"choice": 1}'])
def test_what_is_no_letter_leaves_the_first_standing(reply: str) -> None:
    outcome = applied("ScEnsemble", candidates("Answer: 1", "Answer: 2"), replies(reply))
    assert (outcome.answer, outcome.data["tie_break"]) == ("1", "first")
    assert outcome.data["selector_problem"]


def test_candidates_without_marked_answers_are_put_before_the_model() -> None:
    outcome = applied("ScEnsemble", candidates("Paris.", "Lyon."), replies('{"choice": "b"}'))
    assert (outcome.answer, outcome.data["winner"]) == (None, 1)
    assert outcome.content.endswith("Lyon.")


def test_twenty_six_candidates_are_lettered_and_more_are_refused() -> None:
    texts = [f"Answer: {number}" for number in range(27)]
    assert applied("ScEnsemble", candidates(*texts[:26]), replies('{"choice": "Z"}')).answer == "25"
    with pytest.raises(UsageError, match="takes 2 to 27"):
        applied("ScEnsemble", candidates(*texts), replies("x"))


@pytest.mark.parametrize("name", AGGREGATORS)
def test_two_problems_are_no_candidate(name: str) -> None:
    with pytest.raises(UsageError, match="no candidate beside the problem"):
        REGISTRY[name].bind("do it", PROBLEM | {"problem@2": "?"}, model=replies("x"))


# -- Aggregate


@pytest.mark.parametrize(
    ("texts", "answer", "calls"),
    [
        (["Answer: 7", "Answer: 7.0", "Answer: 8"], "7", 0), (["Answer: 7", "Answer: 8"], "merged", 1),
        (["Answer: 7", "Answer: 7", "Answer: 8", "Answer: 9"], "merged", 1), (["Answer: Paris"] * 3, "merged", 1),
        (["Answer: 7", "Answer: 7", "no idea"], "merged", 1), (["Answer: \\frac{1}{2}", "Answer: 0.5"], "\\frac{1}{2}", 0),
    ],
)  # fmt: skip
def test_a_majority_of_numbers_is_counted_and_all_else_is_merged(texts: list[str], answer: str, calls: int) -> None:
    outcome = applied("Aggregate", candidates(*texts), model := replies("Both.\nAnswer: merged"))
    assert (outcome.kind, outcome.answer, len(model.prompts)) == ("answer", answer, calls)


# -- Programmer


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("def solve():\n    return 6 * 7", "42"), ("def solve():\n    return 'B'", "B"),
        ("def solve():\n    return [1, 2]", "[1, 2]"), ("def solve():\n    print('Answer: 3')\n    return 4", "4"),
        ("def solve():\n    return 'a\\nb'", "a\nb"), ("def solve():\n    return False", "False"),
        ("def solve():\n    return 0", "0"),
    ],
)  # fmt: skip
def test_the_answer_is_what_solve_returns(sandbox: Sandbox, program: str, answer: str) -> None:
    outcome = applied("Programmer", PROBLEM, replies(code(program)), sandbox=sandbox)
    assert (outcome.answer, outcome.data["faults"]) == (answer, [])
    assert final_answer(outcome.content) == answer
    assert find_source(outcome.content).code == program


@pytest.mark.parametrize(
    ("problem", "program"),
    [
        (ADD, "def add(a, b):\n    return a + b"), (ADD, "def add(a, b):\n    return a + b\ndef solve():\n    return add(1, 2)"),
        ("def solve(n):\n    '''Double n.'''", "def solve(n):\n    return 2 * n"),
        ("def solve():\n    '''Give 3.'''", "def solve():\n    return 3"),
        ("Write a class.", "class Stack:\n    pass"),
    ],
)  # fmt: skip
def test_a_function_that_the_problem_names_is_the_answer_itself(sandbox: Sandbox, problem: str, program: str) -> None:
    outcome = applied("Programmer", {"problem@1": problem}, replies(code(program)), sandbox=sandbox)
    assert (outcome.answer, outcome.data["faults"], outcome.data["wants_value"]) == (program, [], False)
    assert final_answer(outcome.content) == program


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (code("1 / 0"), "ZeroDivisionError"), (code("def solve():\n    pass"), "solve() returned nothing"),
        (code("def solve(:"), "SyntaxError"), (code("print(42)"), "defines no function"), ("I cannot.", "no ```python block"),
        (code("def solve():\n    return object()"), "not plain data"),
    ],
)  # fmt: skip
async def test_a_fault_is_fed_back_and_the_next_attempt_counts(sandbox: Sandbox, reply: str, fault: str) -> None:
    model = replies(reply, code("def solve():\n    return 42"))
    outcome = await REGISTRY["Programmer"].bind("do it", PROBLEM, model=model, sandbox=sandbox).ainvoke({})
    assert outcome.answer == "42"
    assert len(outcome.data["faults"]) == 1
    assert fault in outcome.data["faults"][0]
    assert '<input key="last-attempt">' not in model.prompts[0]
    assert fault in model.prompts[1].partition('<input key="last-attempt">')[2]


def test_after_three_attempts_the_last_one_stands_with_its_failure(sandbox: Sandbox) -> None:
    model = replies(*(code(f"def solve():\n    raise ValueError({number})") for number in range(5)))
    outcome = applied("Programmer", PROBLEM, model, sandbox=sandbox)
    assert len(model.prompts) == 3
    assert (outcome.answer, outcome.data["status"]) == (None, "error")
    assert [f"ValueError: {number}" in fault for number, fault in enumerate(outcome.data["faults"])] == [True] * 3
    assert "ValueError: 2" in outcome.content


def test_a_program_that_never_ran_to_its_end_is_still_the_program(sandbox: Sandbox) -> None:
    program = "def add(a, b):\n    return a - b\nassert add(1, 2) == 3"
    outcome = applied("Programmer", {"problem@1": ADD}, replies(code(program)), sandbox=sandbox)
    assert (outcome.answer, outcome.data["status"]) == (program, "error")
    assert "AssertionError" in outcome.content


def test_the_program_asked_for_is_named_by_a_stub_or_a_test_of_the_problem_alone() -> None:
    problem = "def twice(n):\n    ...\nassert not odd(2)\nassert  add(1, 2) == 3\nLet f(x) = 2."
    assert functions_asked({"problem@1": problem, "node_1@1": "assert other(1)"}) == {"twice", "odd", "add"}


@given(st.text("`ab\n", max_size=60))
def test_nothing_closes_the_fence_it_stands_in(text: str) -> None:
    (block,) = fenced_blocks(fenced(text, "text"))
    assert block.text.split() == text.split()


def test_printed_fences_are_no_programs() -> None:
    ran = Execution(status="ok", stdout="```python\nimport os\n```\nAnswer: 1", stderr="", value=2, seconds=0.1)
    reply = Outcome(kind="code", content="x", answer="def solve():\n    return 2")
    told = Draft.of(reply, ran, frozenset()).told()
    assert find_source(told).code == reply.answer
    assert final_answer(told) == "2"
