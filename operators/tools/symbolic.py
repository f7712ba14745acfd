"""Symbolic mathematics happens in a process of its own, which reads one request, writes one reply and can be killed:
SymPy may take for ever. A request holds trees of numbers, names and known functions; no text is ever evaluated.

Run as a script, with nothing of the package in reach: it imports SymPy and the standard library alone.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from typing import Any, Final

import sympy  # type: ignore[import-untyped]

MEMORY: Final = 1 << 30
"""Bytes of address space."""
LONGEST: Final = 8_000
"""Characters of one result."""
DIGITS: Final = 15
LARGEST_POWER: Final = 20_000
"""Bits of a power of two numbers."""
CONSTANTS: Final = {
    **{"pi": sympy.pi, "e": sympy.E, "E": sympy.E, "i": sympy.I, "I": sympy.I},
    **{"oo": sympy.oo, "infinity": sympy.oo},
}
OPEN: Final = (sympy.Integral, sympy.Limit, sympy.Sum, sympy.Derivative)
"""What an operation leaves standing where it found no closed form."""


class Unanswerable(Exception):
    """The request has no answer, for a reason that its maker can act on."""


def expression(tree: Any) -> Any:
    """The SymPy expression of a tree."""
    if isinstance(tree, int):
        return sympy.Integer(tree)
    if isinstance(tree, str):
        return CONSTANTS.get(tree, sympy.Symbol(tree))
    name, *parts = tree
    values = [expression(part) for part in parts]
    if name in OPERATORS:
        return OPERATORS[name](*values)
    return FUNCTIONS[name](*values)


def _divided(left: Any, right: Any) -> Any:
    if right.is_zero:
        raise Unanswerable("a division by zero has no value")
    return left / right


def _raised(base: Any, power: Any) -> Any:
    if base.is_Rational and power.is_Rational and not power.is_zero:
        size = max(abs(base.p).bit_length(), base.q.bit_length()) - 1
        if size * abs(power) > LARGEST_POWER:
            raise Unanswerable("a power is too large to be written out")
        if base.is_zero and power < 0:
            raise Unanswerable("a division by zero has no value")
    return base**power


def _rounded(value: Any, digits: Any = sympy.S.Zero) -> Any:
    scale = sympy.Integer(10) ** digits
    return sympy.sign(value) * sympy.floor(abs(value) * scale + sympy.Rational(1, 2)) / scale


OPERATORS: Final[dict[str, Callable[..., Any]]] = {
    "+": sympy.Add,
    "*": sympy.Mul,
    "-": lambda left, right: left - right,
    "/": _divided,
    "//": lambda left, right: sympy.floor(_divided(left, right)),
    "%": sympy.Mod,
    "^": _raised,
    "=": lambda left, right: left - right,
}
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    **{one.__name__: one for one in (sympy.sqrt, sympy.cbrt, sympy.exp, sympy.log, sympy.sign, sympy.conjugate)},
    **{one.__name__: one for one in (sympy.factorial, sympy.binomial, sympy.gamma, sympy.re, sympy.im)},
    **{one.__name__: one for one in (sympy.sin, sympy.cos, sympy.tan, sympy.cot, sympy.sec, sympy.csc, sympy.atan2)},
    **{one.__name__: one for one in (sympy.asin, sympy.acos, sympy.atan, sympy.asinh, sympy.acosh, sympy.atanh)},
    **{one.__name__: one for one in (sympy.sinh, sympy.cosh, sympy.tanh, sympy.floor)},
    **{"abs": sympy.Abs, "ln": sympy.log, "ceil": sympy.ceiling, "min": sympy.Min, "max": sympy.Max},
    "gcd": lambda *values: sympy.gcd_list(values),
    "lcm": lambda *values: sympy.lcm_list(values),
    "log2": lambda value: sympy.log(value, 2),
    "log10": lambda value: sympy.log(value, 10),
    "mod": sympy.Mod,
    "round": _rounded,
}


def _simplify(request: dict[str, Any], given: list[Any]) -> Any:
    return sympy.simplify(given[0])


def _expand(request: dict[str, Any], given: list[Any]) -> Any:
    return sympy.expand(given[0])


def _factor(request: dict[str, Any], given: list[Any]) -> Any:
    whole = given[0]
    if whole.is_Integer:
        factors = sympy.factorint(whole)
        powers = (sympy.Pow(base, power, evaluate=False) if power > 1 else base for base, power in factors.items())
        return sympy.Mul(*powers, evaluate=False)
    return sympy.factor(whole)


def _differentiate(request: dict[str, Any], given: list[Any]) -> Any:
    return sympy.diff(given[0], _variable(request), request.get("order", 1))


def _integrate(request: dict[str, Any], given: list[Any]) -> Any:
    bounds = _bounds(request)
    return sympy.integrate(given[0], (_variable(request), *bounds) if bounds else _variable(request))


def _sum(request: dict[str, Any], given: list[Any]) -> Any:
    bounds = _bounds(request)
    if not bounds:
        raise Unanswerable("a sum needs its bounds: give `from` and `to`")
    return sympy.summation(given[0], (_variable(request), *bounds))


def _limit(request: dict[str, Any], given: list[Any]) -> Any:
    if "at" not in request:
        raise Unanswerable("a limit needs the point that is approached: give `at`")
    return sympy.limit(given[0], _variable(request), expression(request["at"]), request.get("side", "+-"))


def _series(request: dict[str, Any], given: list[Any]) -> Any:
    point = expression(request.get("at", 0))
    return sympy.series(given[0], _variable(request), point, request.get("order", 6))


def _substitute(request: dict[str, Any], given: list[Any]) -> Any:
    if "at" not in request:
        raise Unanswerable("a substitution needs what is put in for the variable: give `at`")
    return sympy.simplify(given[0].subs(_variable(request), expression(request["at"])))


def _solve(request: dict[str, Any], given: list[Any]) -> Any:
    unknowns = [sympy.Symbol(name) for name in request["variables"]]
    if all(sympy.simplify(one) == 0 for one in given):
        raise Unanswerable("every value is a solution: the two sides are the same")
    try:
        found = sympy.solve(given[0] if len(given) == 1 else given, unknowns, dict=True)
    except NotImplementedError:
        if "at" not in request:
            raise Unanswerable("no closed form was found: give a number near the solution as `at`") from None
        return sympy.nsolve(given, unknowns, [expression(request["at"])] * len(unknowns))[0]
    if len(unknowns) == 1:
        return [one[unknowns[0]] for one in found if unknowns[0] in one]
    return found


OPERATIONS: Final[dict[str, Callable[[dict[str, Any], list[Any]], Any]]] = {
    "evaluate": _simplify,
    "simplify": _simplify,
    "expand": _expand,
    "factor": _factor,
    "solve": _solve,
    "differentiate": _differentiate,
    "integrate": _integrate,
    "limit": _limit,
    "series": _series,
    "sum": _sum,
    "substitute": _substitute,
}


def _variable(request: dict[str, Any]) -> Any:
    return sympy.Symbol(request["variables"][0])


def _bounds(request: dict[str, Any]) -> list[Any]:
    ends = [expression(request[name]) for name in ("from", "to") if name in request]
    if len(ends) == 1:
        raise Unanswerable("one bound is missing: give both `from` and `to`, or neither")
    return ends


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to a request: `results`, each with `text`, `decimal` (None: it is no number) and `exact`
    (whether the text is a rational number); or `fault`."""
    try:
        found = OPERATIONS[request["operation"]](request, [expression(tree) for tree in request["expressions"]])
        return {"results": [_written(one) for one in (found if isinstance(found, list) else [found])]}
    except Unanswerable as fault:
        return {"fault": str(fault)}
    except Exception as fault:  # noqa: BLE001 -- SymPy raises anything at all; it is told to the caller
        return {"fault": f"{type(fault).__name__}: {fault}"[:500]}


def _written(found: Any) -> dict[str, Any]:
    if isinstance(found, dict):
        text = ", ".join(f"{name} = {value}" for name, value in sorted(found.items(), key=lambda pair: str(pair[0])))
        return {"text": _short(text), "decimal": None, "exact": False}
    if found.has(*OPEN):
        raise Unanswerable("no closed form was found")
    if found.has(sympy.nan, sympy.zoo):
        raise Unanswerable("the value is not defined")
    decimal = _decimal(found) if found.is_number and found.is_finite is not False else None
    return {"text": _short(str(found)), "decimal": decimal, "exact": bool(found.is_Rational)}


def _decimal(found: Any) -> str:
    if found.is_Integer:
        return str(found)
    text = str(found.evalf(DIGITS))
    return text.rstrip("0").rstrip(".") if "." in text and not set(text) & set("eI") else text


def _short(text: str) -> str:
    if len(text) > LONGEST:
        raise Unanswerable(f"the result has {len(text):,} characters, more than the {LONGEST:,} that are given")
    return text


def main() -> None:
    """Answers the request on standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    json.dump(answered(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
