"""A number is exact where it is rational, and a decimal of 15 digits where it is not; the two are never mixed up."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

from ..outcome import Outcome, ToolFault
from ..template import Job, OperatorTemplate
from .arithmetic import Inexact, exact
from .calling import arguments_of, calling
from .expression import FUNCTIONS, names_in, parse
from .solver import Result, solved

DIGITS: Final = 15


async def _calculated(job: Job) -> Outcome:
    text: str = arguments_of(job)["expression"]
    tree = parse(text)
    if unknown := sorted(names_in(tree)):
        fix = "Put in numbers, or use ALGEBRA for expressions with variables"
        raise ToolFault(f"{', '.join(unknown)} has no value", retryable=False, fix=fix)
    try:
        result = written(exact(tree))
    except Inexact:
        (result,) = await solved({"operation": "evaluate", "expressions": [tree]})
    real = result.decimal is not None and "I" not in result.decimal
    answer = result.decimal if real and not result.exact else result.text
    data = {"exact": result.text, "decimal": result.decimal, "rational": result.exact}
    return Outcome(kind="result", content=f"{text.strip()} = {result.line}", answer=answer, data={**data})


def written(value: Fraction) -> Result:
    """A rational number with its decimal value."""
    if value.denominator == 1:
        return Result(str(value), str(value), exact=True)
    return Result(str(value), _decimal(value), exact=True)


def _decimal(value: Fraction) -> str:
    """15 significant digits, without a detour over floats, which end at 1e308."""
    context = Context(prec=DIGITS)
    return str(context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize(context))


CALCULATOR: Final = OperatorTemplate(
    name="CALCULATOR",
    purpose="Evaluate a numeric expression: exactly where it is rational, to 15 digits where it is not.",
    accepts="one expression such as (3/4 + 2^10) * sqrt(2), without variables",
    output="result",
    build=calling(_calculated),
    max_calls=0,
    min_inputs=0,
    parameters={
        "type": "object",
        "properties": {
            "expression": {
                "type": "string",
                "minLength": 1,
                "maxLength": 2000,
                "description": "Numbers, + - * / // % ^ !, parentheses, pi, e and functions: "
                + ", ".join(sorted(FUNCTIONS)),
            }
        },
        "required": ["expression"],
        "additionalProperties": False,
    },
)
