"""What is asked of SymPy is one operation of a fixed list on expressions that were read here; its text never gets
there."""

from __future__ import annotations

from typing import Any, Final

from ..outcome import Outcome, ToolFault
from ..template import Builder, Job, OperatorTemplate
from .calling import arguments_of, calling
from .expression import equation, names_in, parse
from .solver import SECONDS, solved

OPERATIONS: Final = (
    *("simplify", "expand", "factor", "solve", "differentiate", "integrate"),
    *("limit", "series", "sum", "substitute"),
)
NO_VARIABLE: Final = frozenset({"simplify", "expand", "factor"})
TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 2000}
PARAMETERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "operation": {"type": "string", "enum": list(OPERATIONS)},
        "expressions": {
            "type": "array",
            "items": TEXT,
            "minItems": 1,
            "maxItems": 8,
            "description": "One expression, such as x^2 - 2*x; for solve one or several equations, such as x^2 = 4",
        },
        "variables": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,30}$"},
            "maxItems": 8,
            "description": "What to solve for, differentiate by, and so on. May be left out where there is only one",
        },
        "at": {**TEXT, "description": "Point of a limit or series; what to substitute; where to search for a root"},
        "side": {"type": "string", "enum": ["+", "-"], "description": "A limit from above or from below"},
        "from": {**TEXT, "description": "Lower bound of a sum or definite integral"},
        "to": {**TEXT, "description": "Upper bound of a sum or definite integral; oo is infinity"},
        "order": {
            "type": "integer",
            "minimum": 1,
            "maximum": 20,
            "description": "Which derivative (1 if left out); up to which power a series goes, exclusive (6)",
        },
    },
    "required": ["operation", "expressions"],
    "additionalProperties": False,
}


def algebra_tool(seconds: float = SECONDS) -> OperatorTemplate:
    """The tool ALGEBRA with a time limit in seconds for each call."""
    return OperatorTemplate(
        name="ALGEBRA",
        purpose="Symbolic mathematics: simplify, expand, factor, solve, differentiate, integrate, limit, series, sum.",
        accepts="an operation and expressions such as x^2 - 5*x + 6; solve takes equations and systems",
        output="result",
        build=_asking(seconds),
        max_calls=0,
        min_inputs=0,
        parameters=PARAMETERS,
    )


def _asking(seconds: float) -> Builder:
    async def ask(job: Job) -> Outcome:
        given = arguments_of(job)
        results = await solved(request_of(given), seconds)
        operation: str = given["operation"]
        if not results:
            return Outcome(kind="result", content="No solution was found.", data={"results": []})
        what = f"{operation}: {'; '.join(given['expressions'])}"
        answer = results[0].text if len(results) == 1 else f"{{{', '.join(one.text for one in results)}}}"
        return Outcome(
            kind="result",
            content="\n".join([what, *(one.line for one in results)]),
            answer=answer,
            data={"results": [{"text": one.text, "decimal": one.decimal} for one in results]},
        )

    return calling(ask)


def request_of(given: Any) -> dict[str, Any]:
    """The request for the arguments of a call. Raises ToolFault for what cannot be read, and for a variable that is not
    named where there is more than one."""
    operation: str = given["operation"]
    texts: list[str] = given["expressions"]
    if len(texts) > 1 and operation != "solve":
        raise ToolFault(f"{operation} got {len(texts)} expressions", retryable=False, fix="Give one, or use solve")
    trees = [equation(text) if operation == "solve" else parse(text) for text in texts]
    names = sorted(set().union(*map(names_in, trees)))
    variables = list(given.get("variables") or ())
    if operation not in NO_VARIABLE:
        variables = variables or (names if operation == "solve" and len(texts) > 1 else _only(names, operation))
    points = {name: parse(given[name]) for name in ("at", "from", "to") if name in given}
    plain = {name: given[name] for name in ("side", "order") if name in given}
    return {"operation": operation, "expressions": trees, "variables": variables, **points, **plain}


def _only(names: list[str], operation: str) -> list[str]:
    if len(names) == 1:
        return names
    found = f"there are {', '.join(names)}" if names else "there is no variable in it"
    raise ToolFault(f"{operation} needs its variable: {found}", retryable=False, fix='Give "variables"')


ALGEBRA: Final = algebra_tool()
