"""Text becomes a tree of exact integers, names and known functions, or a fault that says where it went wrong. Decimals
become fractions, nothing is executed, and the size and the depth of a tree are bounded."""

from __future__ import annotations

import re
from typing import Final

from ..outcome import ToolFault

LONGEST: Final = 2_000
"""Characters of an expression."""
DEEPEST: Final = 40
"""Levels of a tree."""
MOST_DIGITS: Final = 1_000
"""Digits of a number as written."""
_COMMON: Final = ("sqrt", "cbrt", "exp", "ln", "log2", "log10", "abs", "floor", "ceil", "sign", "factorial")
_ANGLES: Final = ("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan")
_HYPERBOLIC: Final = ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
_COMPLEX: Final = ("gamma", "re", "im", "conjugate")
FUNCTIONS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys((*_COMMON, *_ANGLES, *_HYPERBOLIC, *_COMPLEX), (1, 1)),
    **dict.fromkeys(("atan2", "binomial", "mod"), (2, 2)),
    **dict.fromkeys(("log", "round"), (1, 2)),
    **dict.fromkeys(("min", "max", "gcd", "lcm"), (1, 20)),
}
"""Known functions, with the fewest and the most arguments each takes."""
CONSTANTS: Final = frozenset({"pi", "e", "E", "i", "I", "oo", "infinity"})
"""Names that are no variables."""
Tree = int | str | list["Tree"]
"""A number, a name, or an operation or function with its operands: `["+", "x", ["/", 1, 2]]`."""

_PLAIN: Final = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-", "π": "pi", "∞": "oo"}
    | {"²": "^2", "³": "^3", "\n": " ", "\t": " "}
)
_TOKEN: Final = re.compile(
    r" *(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?|\.\d+(?:[eE][+-]?\d{1,3})?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]{0,30})|(?P<sign>\*\*|//|[-+*/%^(),!]))",
    re.ASCII,
)
_RAISED_TWICE: Final = re.compile("[²³]{2}")
_SUM, _PRODUCT, _MINUS, _POWER = 1, 2, 3, 4
_BINDING: Final = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT, "%": _PRODUCT, "^": _POWER}


class Unreadable(ToolFault):
    """An expression that is none."""

    def __init__(self, text: str, why: str, fix: str | None = None) -> None:
        """`text` is the expression at fault, `why` what is wrong with it, `fix` what would be accepted."""
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        super().__init__(f"the expression {shown!r} cannot be read: {why}", retryable=False, fix=fix)


def parse(text: str) -> Tree:
    """The tree of one expression: + - * / // % ^ (or **), postfix !, parentheses, `2x` and `3(x+1)` for products, the
    known functions, and names. Raises Unreadable."""
    if len(text) > LONGEST:
        raise Unreadable(text, f"it has {len(text):,} characters", f"Give at most {LONGEST:,}")
    if _RAISED_TWICE.search(text):
        raise Unreadable(text, "two raised digits stand together", "Write the exponent as ^23")
    return _Parser(text).whole()


def equation(text: str) -> Tree:
    """Like `parse`, for `left = right` too, which gives `["=", left, right]`. Raises Unreadable."""
    sides = re.split(r"==?", text)
    if len(sides) > 2:
        raise Unreadable(text, "it has more than one =", "Give each equation by itself")
    return parse(text) if len(sides) == 1 else ["=", *(parse(side) for side in sides)]


def names_in(tree: Tree) -> set[str]:
    """The variables of a tree."""
    if isinstance(tree, list):
        return set().union(*(names_in(part) for part in tree[1:]))
    return {tree} - CONSTANTS if isinstance(tree, str) else set()


class _Parser:
    """Precedence climbing over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [*self._split(text.translate(_PLAIN).strip()), ("end", "")]
        self.at = 0
        self.depth = 0

    def whole(self) -> Tree:
        """The tree of all tokens."""
        tree = self._climb(_SUM)
        if self.tokens[self.at][0] != "end":
            raise self._fault(f"{self.tokens[self.at][1]!r} is out of place")
        if _levels(tree) > DEEPEST:
            raise self._fault("it is nested too deeply")
        return tree

    def _split(self, text: str) -> list[tuple[str, str]]:
        found, at = [], 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                fix = "Write it like 2*x^2 + sqrt(3)/7, with no LaTeX, no units and no attributes"
                raise Unreadable(self.text, f"{text[at:].lstrip()[:1]!r} has no meaning here", fix)
            kind = match.lastgroup
            assert kind is not None, "one alternative matched"
            found.append((kind, match[kind].replace("**", "^")))
            at = match.end()
        return found

    def _climb(self, least: int) -> Tree:
        """The operations that bind at least as tightly as `least`."""
        self.depth += 1
        if self.depth > 3 * DEEPEST:
            raise self._fault("it is nested too deeply")
        left, before = self._prefix(), ""
        while (binding := _BINDING.get(operator := self._operator(), 0)) >= least:
            written = self.tokens[self.at][1] == operator
            if not written and before == "/":
                raise self._fault("a product without * follows a division", "Write 1/(2*x) or 1/2*x")
            self.at += written
            left = _joined(operator, left, self._climb(_MINUS if operator == "^" else binding + 1))
            before = operator
        self.depth -= 1
        return left

    def _operator(self) -> str:
        """The operation that follows; a product may be unwritten."""
        kind, text = self.tokens[self.at]
        return "*" if kind == "name" or (kind, text) == ("sign", "(") else text

    def _prefix(self) -> Tree:
        if self.tokens[self.at] in {("sign", "-"), ("sign", "+")}:
            sign = self._next()[1]
            operand = self._climb(_MINUS)
            return operand if sign == "+" else -operand if isinstance(operand, int) else ["-", 0, operand]
        tree = self._atom()
        while self.tokens[self.at] == ("sign", "!"):
            self.at += 1
            tree = ["factorial", tree]
        return tree

    def _atom(self) -> Tree:
        kind, text = self._next()
        if kind == "number":
            return self._number(text)
        if kind == "name":
            return self._named(text)
        if text == "(":
            tree = self._climb(_SUM)
            self._expect(")")
            return tree
        raise self._fault(f"something is missing before {text!r}" if text else "it ends too early")

    def _named(self, name: str) -> Tree:
        known = FUNCTIONS.get(name)
        if known is None:
            if self.tokens[self.at] == ("sign", "("):
                fix = f"Write {name}*(...) for a product. Functions: {', '.join(sorted(FUNCTIONS))}"
                raise self._fault(f"{name} is no known function", fix)
            return name
        self._expect("(")
        arguments = [self._climb(_SUM)]
        while self.tokens[self.at] == ("sign", ","):
            self.at += 1
            arguments.append(self._climb(_SUM))
        self._expect(")")
        if not known[0] <= len(arguments) <= known[1]:
            raise self._fault(f"{name} got {len(arguments)} arguments and takes {known[0]} to {known[1]}")
        return [name, *arguments]

    def _number(self, text: str) -> Tree:
        mantissa, _, exponent = text.lower().partition("e")
        digits, _, decimals = mantissa.partition(".")
        if len(digits) > 1 and digits.startswith("0"):
            raise self._fault(f"the number {text[:20]} begins with 0", "Write 1000, not 1,000 or 01000")
        power = int(exponent or 0) - len(decimals)
        if len(digits + decimals) + abs(power) > MOST_DIGITS:
            raise self._fault(f"a number has more than {MOST_DIGITS:,} digits")
        whole = int(digits + decimals)
        return whole * 10**power if power >= 0 else ["/", whole, int(10**-power)]

    def _next(self) -> tuple[str, str]:
        token = self.tokens[self.at]
        self.at += token[0] != "end"
        return token

    def _expect(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise self._fault(f"a {sign!r} is missing")

    def _fault(self, why: str, fix: str | None = None) -> Unreadable:
        return Unreadable(self.text, why, fix)


def _joined(operator: str, left: Tree, right: Tree) -> Tree:
    """The operation; long sums and products stay flat, so that their length does not count as depth."""
    if operator in {"+", "*"} and isinstance(left, list) and left[0] == operator:
        return [*left, right]
    if operator == "-":
        return _joined("+", left, ["-", 0, right])
    return [operator, left, right]


def _levels(tree: Tree) -> int:
    """Nesting of a tree, counted up to one more than is accepted."""
    level, parts = 0, [tree]
    while parts and level <= DEEPEST:
        level += 1
        parts = [inner for part in parts if isinstance(part, list) for inner in part[1:]]
    return level
