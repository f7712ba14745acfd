"""Numbers are exact where they can be, formulas are read and never evaluated as text, and nothing takes for ever."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from flowwright.operators import Outcome
from flowwright.operators.arguments import BadArguments
from flowwright.operators.outcome import ToolFault
from flowwright.operators.tools import symbolic
from flowwright.operators.tools.algebra import ALGEBRA, OPERATIONS, algebra_tool, request_of
from flowwright.operators.tools.arithmetic import exact
from flowwright.operators.tools.calculator import CALCULATOR
from flowwright.operators.tools.expression import FUNCTIONS, Unreadable, equation, names_in, parse
from hypothesis import assume, given, settings
from hypothesis import strategies as st


def calculate(expression: str) -> Outcome:
    outcome = CALCULATOR.bind("", {}, arguments={"expression": expression}).invoke({})
    assert isinstance(outcome, Outcome)
    return outcome


def algebra(operation: str, *expressions: str, **more: Any) -> Outcome:
    given = {"operation": operation, "expressions": list(expressions), **more}
    outcome = ALGEBRA.bind("", {}, arguments=given).invoke({})
    assert isinstance(outcome, Outcome)
    return outcome


# -- arithmetic


@st.composite
def arithmetic(draw: Any, depth: int = 4) -> tuple[str, Fraction | None]:
    """An expression as text, and its value by the rules of fractions; None: it divides by zero."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        number = draw(st.decimals(0, 10**6, places=draw(st.integers(0, 3)), allow_nan=False))
        return str(number), Fraction(str(number))
    (left, one), (right, two) = draw(arithmetic(depth - 1)), draw(arithmetic(depth - 1))
    operator = draw(st.sampled_from("+-*/^n"))
    if operator == "n":
        return f"(-({left}))", None if one is None else -one
    if operator == "^":
        power = draw(st.integers(-3, 3))
        assume(one is None or one.numerator.bit_length() < 500)
        return f"({left}) ^ ({power})", None if one is None or (not one and power < 0) else one**power
    if one is None or two is None or (operator == "/" and not two):
        return f"(({left}) {operator} ({right}))", None
    values = {"+": lambda: one + two, "-": lambda: one - two, "*": lambda: one * two, "/": lambda: one / two}
    return f"(({left}) {operator} ({right}))", values[operator]()


@settings(max_examples=300)
@given(arithmetic())
def test_the_calculator_agrees_with_fractions(case: tuple[str, Fraction | None]) -> None:
    text, value = case
    if value is None:
        with pytest.raises(ToolFault, match="division by zero"):
            exact(parse(text))
    else:
        assert exact(parse(text)) == value


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 99)), min_size=1, max_size=200))
def test_precedence_and_order_are_those_of_arithmetic(parts: list[tuple[str, int]]) -> None:
    text = "7" + "".join(f"{sign}{number}" for sign, number in parts)
    assert exact(parse(text)) == eval(text)  # noqa: S307 -- the text is this test's own


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("0.1 + 0.2", "3/10"),
        ("-2^2", "-4"),
        ("2^-1", "1/2"),
        ("2^3^2", "512"),
        ("2(3+4)", "14"),
        ("2 × 3 ÷ 4 − 1", "1/2"),
        ("-7 // 2 + 7 % 4", "-1"),
        ("5! / 3!", "20"),
        ("sqrt(16/9)", "4/3"),
        ("27^(2/3)", "9"),
        ("round(2.345, 2)", "47/20"),
        ("gcd(12, 18) + lcm(4, 6) + binomial(5, 2)", "28"),
        ("max(1/3, 0.3) - min(2, 3) + abs(-1) + floor(-1/2) + ceil(1/2) + sign(-3)", "-5/3"),
        ("1.5e3", "1500"),
        ("2^1000 % 10^9", str(2**1000 % 10**9)),
        ("sin(pi/6)", "1/2"),
        ("log(8, 2) + ln(e^2) + log10(1000) + log2(2)", "9"),
        ("e^(i*pi)", "-1"),
        ("sqrt(2)", "1.4142135623731"),
        ("max(pi, 3)", "3.14159265358979"),
        ("sqrt(-4)", "2*I"),
        ("7.5 % 2 + mod(-7, 3) + 2²", "15/2"),
        ("round(pi, 2) + pi//1 + mod(pi, 3) - pi", "157/50"),
    ],
)
def test_what_the_calculator_answers(text: str, answer: str) -> None:
    assert calculate(text).answer == answer


def test_a_result_has_its_exact_form_and_its_decimal_value() -> None:
    outcome = calculate("sqrt(8)/3")
    assert outcome.content == "sqrt(8)/3 = 2*sqrt(2)/3 ≈ 0.942809041582063"
    assert outcome.data == {"exact": "2*sqrt(2)/3", "decimal": "0.942809041582063", "rational": False}
    assert calculate("1/3").content == "1/3 = 1/3 ≈ 0.333333333333333"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("9^9^9", "too large"),
        ("2^1000000", "too large"),
        ("1" * 1500, "more than 1,000 digits"),
        ("1e999 * 1e999 * 1e999 * 1e999", "too large"),
        ("factorial(5000)", "whole number from 0 to 1,300"),
        ("1/0", "division by zero"),
        ("0^-1", "division by zero"),
        ("gcd(1/2, 3)", "got a fraction"),
        ("binomial(1000000, 500000)", "coefficient is too large"),
        ("1/(sqrt(2)-sqrt(2))", "division by zero"),
        ("tan(pi/2)", "not defined"),
        ("x + 1", "x has no value. Put in numbers, or use ALGEBRA"),
    ],
)
def test_what_has_no_value_is_a_fault_that_says_why(text: str, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(ToolFault, match=why) as told:
        calculate(text)
    assert not told.value.retryable
    assert time.monotonic() - began < 3


# -- reading


@pytest.mark.parametrize(
    "text",
    [
        *("", "1 +", "2 3", "(1", "1)", "f(2)", "x(x+1)", "1/2x", "sqrt()", "gcd(1)" * 400, "sqrt(1, 2)", "a.b", "'x'"),
        *("__import__('os')", "().__class__", "lambda: 1", "x[0]", "\\frac{1}{2}", "1e9999", "{x}", "x == 1", "# 1"),
        *("max(1,000, 2)", "2²³", "√2"),
        *("(" * 900 + "1" + ")" * 900, "-" * 1900 + "1", "1" + "^1" * 900, "sin(" * 60 + "1" + ")" * 60),
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


@settings(max_examples=500)
@given(st.text(st.sampled_from("0123456789.eExyπ+-*/^()!,%= \\_'[]{}²\u00d7sqrt"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree = equation(text)
    except Unreadable:
        return
    assert json.loads(json.dumps(tree)) == tree
    assert all(name.isidentifier() for name in names_in(tree))


def test_every_function_that_is_read_is_known_to_the_worker() -> None:
    for name, (fewest, _) in FUNCTIONS.items():
        values = ["x", 2][:fewest]
        assert symbolic.expression([name, *values]) is not None


# -- algebra


@pytest.mark.parametrize(
    ("operation", "expression", "more", "answer"),
    [
        ("simplify", "(x^2-1)/(x-1)", {}, "x + 1"),
        ("expand", "(x+1)^3", {}, "x**3 + 3*x**2 + 3*x + 1"),
        ("factor", "x^2 - 5x + 6", {}, "(x - 3)*(x - 2)"),
        ("factor", "360", {}, "2**3*3**2*5"),
        ("solve", "x^2 = 4", {}, "{-2, 2}"),
        ("solve", "a*x = b", {"variables": ["x"]}, "b/a"),
        ("solve", "cos(x) = x", {"at": "1"}, "0.739085133215161"),
        ("differentiate", "sin(x^2)", {}, "2*x*cos(x**2)"),
        ("differentiate", "x^4", {"order": 2}, "12*x**2"),
        ("integrate", "1/x", {}, "log(x)"),
        ("integrate", "x^2", {"from": "0", "to": "1"}, "1/3"),
        ("limit", "sin(x)/x", {"at": "0"}, "1"),
        ("limit", "1/x", {"at": "0", "side": "-"}, "-oo"),
        ("series", "exp(x)", {"order": 3}, "1 + x + x**2/2 + O(x**3)"),
        ("sum", "1/n^2", {"from": "1", "to": "oo"}, "pi**2/6"),
        ("substitute", "x^2 + y", {"variables": ["x"], "at": "2*y"}, "y*(4*y + 1)"),
    ],
)
def test_what_algebra_answers(operation: str, expression: str, more: dict[str, Any], answer: str) -> None:
    reply = symbolic.answered(
        json.loads(json.dumps(request_of({"operation": operation, "expressions": [expression], **more})))
    )
    texts = [one["text"] for one in reply["results"]]
    assert (texts[0] if len(texts) == 1 else f"{{{', '.join(texts)}}}") == answer


def test_every_operation_offered_is_known_to_the_worker() -> None:
    assert set(OPERATIONS) == set(symbolic.OPERATIONS) - {"evaluate"}


def test_a_system_is_solved_in_a_process_of_its_own() -> None:
    outcome = algebra("solve", "x + y = 3", "x - y = 1")
    assert outcome.answer == "x = 2, y = 1"
    assert outcome.content == "solve: x + y = 3; x - y = 1\nx = 2, y = 1"
    assert algebra("solve", "x = x + 1").answer is None


def test_roots_without_a_formula_have_decimal_values() -> None:
    (root, *_) = algebra("solve", "x^5 - x + 1 = 0").data["results"]  # type: ignore[misc]
    assert isinstance(root, dict)
    assert root["decimal"] == "-1.16730397826142"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"operation": "solve", "expressions": ["a*x = b"]}, 'there are a, b, x. Give "variables"'),
        ({"operation": "differentiate", "expressions": ["7"]}, "there is no variable in it"),
        ({"operation": "expand", "expressions": ["x", "y"]}, "Give one, or use solve"),
        ({"operation": "expand", "expressions": ["x = y"]}, "'=' has no meaning here"),
        ({"operation": "solve", "expressions": ["x = y = z"]}, "more than one ="),
    ],
)
def test_a_question_that_cannot_be_put_is_a_fault_that_says_why(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ToolFault) as told:
        request_of(given)
    assert why in str(told.value)


@pytest.mark.parametrize(
    ("operation", "expression", "more", "why"),
    [
        ("limit", "1/x", {}, "give `at`"),
        ("limit", "1/x", {"at": "0"}, "not defined"),
        ("substitute", "1/x", {}, "give `at`"),
        ("substitute", "x", {"at": "1/0"}, "division by zero"),
        ("substitute", "x", {"at": "0^-1"}, "division by zero"),
        ("substitute", "x", {"at": "2^(10^6)"}, "power is too large"),
        ("sum", "x", {}, "give `from` and `to`"),
        ("integrate", "x", {"from": "0"}, "one bound is missing"),
        ("integrate", "x^x", {}, "no closed form"),
        ("solve", "x = x", {}, "every value is a solution"),
        ("solve", "cos(x) = x", {}, "number near the solution"),
        ("expand", "(x+y+z)^60", {}, "characters, more than the 8,000 that are given"),
        ("series", "x", {"order": "many"}, "Error: "),
    ],
)
def test_a_question_without_an_answer_says_why(operation: str, expression: str, more: dict[str, Any], why: str) -> None:
    reply = symbolic.answered(request_of({"operation": operation, "expressions": [expression], **more}))
    assert why in reply["fault"]


def test_a_fault_of_the_worker_is_the_fault_of_the_tool() -> None:
    with pytest.raises(ToolFault, match="no closed form was found") as told:
        algebra("integrate", "x^x")
    assert not told.value.retryable


async def test_a_worker_that_dies_is_a_fault() -> None:
    given = {"operation": "expand", "expressions": ["(x+y+z+a)^300"]}
    asking = asyncio.create_task(ALGEBRA.bind("", {}, arguments=given).ainvoke({}))
    while not (workers := [pid for pid, line in _children().items() if b"symbolic.py" in line]):
        await asyncio.sleep(0.01)
    os.kill(workers[0], signal.SIGKILL)
    with pytest.raises(ToolFault, match="ran out of memory or crashed"):
        await asking


def test_a_question_that_takes_too_long_is_killed() -> None:
    began = time.monotonic()
    with pytest.raises(ToolFault, match=r"no answer was found within 0\.5 s"):
        algebra_tool(0.5).bind("", {}, arguments={"operation": "expand", "expressions": ["(x+y+z+a)^300"]}).invoke({})
    assert time.monotonic() - began < 2
    assert not any(b"symbolic.py" in line for line in _children().values())


def _children() -> dict[int, bytes]:
    """The command lines of this process's children."""
    pids = " ".join(file.read_text() for file in Path("/proc/self/task").glob("*/children")).split()
    return {int(pid): file.read_bytes() for pid in pids if (file := Path(f"/proc/{pid}/cmdline")).exists()}


def test_arguments_that_do_not_fit_are_refused_before_anything_runs() -> None:
    with pytest.raises(BadArguments, match="'evaluate' is not one of"):
        ALGEBRA.bind("", {}, arguments={"operation": "evaluate", "expressions": ["1"]})
    with pytest.raises(BadArguments, match="does not match"):
        ALGEBRA.bind("", {}, arguments={"operation": "solve", "expressions": ["x"], "variables": ["x y"]})


def test_the_tools_load_sympy_only_in_the_process_that_uses_it() -> None:
    code = "import sys, flowwright.operators.tools.algebra, flowwright.operators.tools.calculator as c\n"
    code += "c.CALCULATOR.bind('', {}, arguments={'expression': '1+1'}).invoke({})\nprint('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
