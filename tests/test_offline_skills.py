"""A skill understands a question as a whole or leaves it alone, and judges whatever a candidate may be."""

from __future__ import annotations

import pytest
from flowwright.operators.sandbox import Sandbox, SandboxUnavailable, open_sandbox
from flowwright.policies.offline import NO_ERRORS, OfflineExecutor
from flowwright.policies.offline.dice import Dice
from flowwright.policies.offline.skills import LONGEST, recognise
from flowwright.policies.offline.skills.expression import NotAnExpression, evaluate, read_expression
from flowwright.policies.offline.skills.game24 import mistakes, solutions
from flowwright.training.tasks import FAMILIES, check_answer, exact
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from offline_run import ask, last_line, operator_prompt

FAMILY_QUESTIONS = {name: family.generate(6, 2)[1].question for name, family in FAMILIES.items()}
UNREADABLE = ("seven apples", "", "x = y", "1 +", "((1)", "__import__('os')", "9" * 5000, "1 / 0", "x = 1, x = 1")
expressions = st.recursive(
    st.integers(0, 99).map(str) | st.sampled_from(["1.5", "x"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "×", "−"]), inner).map(" ".join)
        | inner.map("({})".format)
        | inner.map("-{}".format)
        | inner.map("3({})".format)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxUnavailable as why:
        pytest.skip(str(why))


@settings(max_examples=500)
@given(expressions | st.text(alphabet="0123 x()+-*/.", max_size=12))
def test_the_models_and_the_checkers_read_expressions_alike(text: str) -> None:
    names = {"x": exact.Fraction(5, 7)}
    expected = exact.value(exact.tree(text), names)
    try:
        found = evaluate(read_expression(text), names)
    except (NotAnExpression, ZeroDivisionError):
        found = None
    assert expected is None or found == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is 1 / (2 - 2)?", "What is 7?", "What is (1 + 2?", "What is 1 +?", "What is * 2?", "Solve for x: x = x.",
        "Solve for x: x * x = 4.", "Solve for x: 1 / x = 4.", "Solve for x: y + x = 4.", "Solve for x: x + = 4.",
        "Solve the system x + y = 1; 2x + 2y = 2 for x and y.", "Find the mode of the list [1, 1, 2, 2].",
        "What is the median of the list [1, 2]?", "What is the colour of the list [1, 2, 3]?",
        "Use each of the numbers 1 exactly once, with +, -, *, / and parentheses, to make 24.",
        "Use each of the numbers 99999, 1, 1, 1 exactly once, with +, -, *, / and parentheses, to make 24.",
        "Write a Python function `f(x)` that proves a theorem.\n\nExamples:\nassert f(1) == 1",
        "A recipe for 0 people needs 5 grams of flour. How many grams of flour are needed for 3 people?",
        "What is 1 + 1? And who asks?", "What is " + "1 + " * LONGEST + "1?",
    ],
)  # fmt: skip
def test_what_has_no_single_answer_or_another_wording_is_left_alone(question: str) -> None:
    assert recognise(question) is None
    assert "cannot solve" in ask("GENERATE_ANSWER", {"problem@1": question})


def test_usual_ways_to_write_a_question_are_understood() -> None:
    for question, answer in {
        "3*(4+5)": "27", "what is 2(3 + 4) = ?": "14", "Evaluate 7 − 2 × −3.": "13", "Compute 1.5 / 0.5": "3",
        "Solve for t: -(t - 2)/4 = 1": "t = -2", "Solve for n: 2(n + 1) = 3n": "n = 2",
    }.items():  # fmt: skip
        assert last_line(ask("GENERATE_ANSWER", {"problem@1": question}, error_rates=NO_ERRORS)) == answer


@given(st.lists(st.integers(1, 13), min_size=2, max_size=4))
def test_every_solution_of_24_is_one_and_no_mistake_is(numbers: list[int]) -> None:
    given_numbers = ", ".join(map(str, numbers))
    question = f"Use each of the numbers {given_numbers} exactly once, with +, -, *, / and parentheses, to make 24."
    assert all(check_answer(question, one) for one in solutions(tuple(numbers)))
    assert mistakes(tuple(numbers))
    assert not any(check_answer(question, one) for one in mistakes(tuple(numbers)))


@pytest.mark.parametrize("name", [name for name in FAMILY_QUESTIONS if name != "functions"])
@pytest.mark.parametrize("candidate", UNREADABLE)
def test_a_candidate_that_is_no_answer_is_rejected(name: str, candidate: str) -> None:
    inputs = {"problem@1": FAMILY_QUESTIONS[name], "draft@1": f"So.\nAnswer: {candidate}"}
    verdict = ask("REVIEW_SOLUTION", inputs, error_rates=NO_ERRORS).splitlines()[-1]
    assert verdict in ("Verdict: reject", "Verdict: major_issues")


@pytest.mark.parametrize("name", [name for name in FAMILY_QUESTIONS if name != "functions"])
def test_no_check_program_lets_a_candidate_that_is_no_answer_pass(name: str, sandbox: Sandbox) -> None:
    problem = recognise(FAMILY_QUESTIONS[name])
    assert problem is not None
    programs = {problem.check_program(candidate) for candidate in UNREADABLE}
    assert all(sandbox.run(one).status == "error" for one in programs)


@pytest.mark.parametrize("name", FAMILY_QUESTIONS)
def test_a_check_program_passes_the_right_answer_and_no_slip(name: str, sandbox: Sandbox) -> None:
    for number, task in enumerate(FAMILIES[name].generate(8, 6)):
        problem, dice = recognise(task.question), Dice(str(number))
        assert problem is not None
        right, wrong = problem.right(dice), problem.wrong(dice)
        assert right is not None
        assert sandbox.run(problem.check_program(right.answer)).status == "ok"
        if name != "functions":
            assert "AssertionError" in str(sandbox.run(problem.check_program(wrong.answer)).exception)


def test_code_of_others_is_read_with_caution() -> None:
    question = FAMILY_QUESTIONS["functions"]
    for code, verdicts in (
        ("def f(x):\n    return eval(x)", {"reject", "major_issues"}),
        ("def f(x:\n", {"reject", "major_issues"}),
    ):
        inputs = {"problem@1": question, "code@1": f"```python\n{code}\n```"}
        text = ask("REVIEW_SOLUTION", inputs, error_rates=NO_ERRORS)
        assert text.splitlines()[-1].removeprefix("Verdict: ") in verdicts
    bare = ask("ORGANIZE_SOLUTION", {"problem@1": question, "code@1": "def f(x):\n    return x\n\n\nassert f(1) == 1"})
    assert bare.endswith("```python\ndef f(x):\n    return x\n```")


@pytest.mark.parametrize("name", FAMILY_QUESTIONS)
def test_without_a_candidate_nothing_is_made_up(name: str) -> None:
    inputs = {"problem@1": FAMILY_QUESTIONS[name], "notes@1": "Nothing yet."}
    assert "no candidate" in ask("ORGANIZE_SOLUTION", inputs)
    assert ask("REVIEW_SOLUTION", inputs).endswith("no candidate to work with.\nVerdict: reject")


@pytest.mark.parametrize("name", FAMILY_QUESTIONS)
def test_plans_and_decompositions_solve_nothing(name: str) -> None:
    for operator, heading in (("GENERATE_PLAN", "Plan:"), ("DECOMPOSE_PROBLEM", "Sub-tasks:")):
        text = ask(operator, {"problem@1": FAMILY_QUESTIONS[name]})
        assert text.startswith(f"{heading}\n1. ")
        assert 2 <= len(text.splitlines()) - 1 <= 4
        assert last_line(text) is None


def test_several_approaches_to_a_function_each_show_their_code() -> None:
    text = ask("ENSEMBLE", {"problem@1": FAMILY_QUESTIONS["functions"]}, error_rates=NO_ERRORS)
    assert text.count("Approach ") == 3
    assert text.count("```python\ndef ") == 4


async def test_a_listener_hears_the_stream() -> None:
    class Listener(BaseCallbackHandler):
        heard = ""

        def on_llm_new_token(self, token: str, **kwargs: object) -> None:
            self.heard += token

    prompt = operator_prompt("GENERATE_ANSWER", {"problem@1": "What is (2 + 3) * 4?"})
    model, listener = OfflineExecutor(error_rates=NO_ERRORS), Listener()
    text = model.invoke(prompt, stream=True, config={"callbacks": [listener]}).text
    assert listener.heard == text == model.invoke(prompt).text
    again = Listener()
    await model.ainvoke(prompt, stream=True, config={"callbacks": [again]})
    assert again.heard == text
