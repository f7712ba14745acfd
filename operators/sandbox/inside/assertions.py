"""Every assertion of the tests is accounted for: it held, it failed, or an exception ended it; one that an `except` of
the tests swallowed is still a failure. Assertions at the top level are independent: after one fails, the next runs."""

from __future__ import annotations

import ast

from .program import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LEDGER = "__assertions__"
"""The name by which instrumented tests reach their ledger."""

_SHOWN = 200


class InconclusiveError(BaseException):
    """The tests cannot be run as they are, or not against this candidate. No `except Exception` of theirs stops it."""


class Ledger:
    """What became of each assertion, by its place in the text."""

    def __init__(self) -> None:
        """An empty ledger."""
        self.failures: list[str] = []
        """One line for each assertion that did not hold."""
        self._texts: list[str] = []
        self._begun: list[int] = []
        self._settled: list[int] = []
        self._left: dict[int, Any] = {}
        self._latest: BaseException | None = None

    @property
    def asserted(self) -> int:
        """How many assertions were evaluated."""
        return sum(self._begun)

    def add(self, text: str) -> int:
        """Makes room for one more assertion and returns its place."""
        self._texts.append(text)
        self._begun.append(0)
        self._settled.append(0)
        return len(self._texts) - 1

    def begin(self, place: int) -> bool:
        """The assertion is about to be evaluated. True, to be followed by its condition."""
        self._begun[place] += 1
        self._left.pop(place, None)
        return True

    def left(self, place: int, value: Any) -> Any:
        """Passes on the left side of a comparison and remembers it for the failure's text."""
        self._left[place] = value
        return value

    def hold(self, place: int) -> None:
        """The assertion held."""
        self._settled[place] += 1

    def fail(self, place: int, *message: Any) -> AssertionError:
        """The assertion did not hold: records it and returns what to raise."""
        self._settled[place] += 1
        told = f": {str(message[0])[:_SHOWN]}" if message else ""
        seen = f" (left side was {_shown(self._left[place])})" if place in self._left else ""
        self.failures.append(f"{self._texts[place]}{told}{seen}")
        self._latest = AssertionError(*message)
        return self._latest

    def caught(self, place: int, fault: BaseException) -> None:
        """An assertion at the top level ended in an exception. Two kinds go on and end the tests."""
        if isinstance(fault, (MemoryError, InconclusiveError)):
            raise fault
        if not self.told(fault):
            self._settled[place] += 1
            self.failures.append(f"{self._texts[place]}: {describe(fault)}")

    def told(self, fault: BaseException) -> bool:
        """Whether `failures` already tells of this exception."""
        return fault is self._latest

    def interrupted(self) -> list[str]:
        """The assertions of which some evaluation was ended by an exception."""
        places = zip(self._texts, self._begun, self._settled, strict=True)
        return [text for text, begun, settled in places if begun > settled]

    def close(self) -> None:
        """The tests have ended: adds the assertions whose exception they swallowed."""
        if not self.failures:
            self.failures += [f"{text}: ended by an exception" for text in self.interrupted()]


class Instrument(ast.NodeTransformer):
    """Rewrites every `assert` to report to a ledger, which runs under the name `LEDGER`."""

    def __init__(self, ledger: Ledger) -> None:
        """`ledger` gets a place for each assertion."""
        self._ledger = ledger

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Rewrites a whole module and shields its top-level assertions from each other."""
        body = [self._shielded(item) if isinstance(item, ast.Assert) else self.visit(item) for item in node.body]
        return ast.fix_missing_locations(ast.Module(body, node.type_ignores))

    def visit_Assert(self, node: ast.Assert) -> ast.If:
        """`if ledger.begin(place) and condition: ledger.hold(place)`, `else: raise ledger.fail(place, message)`."""
        return self._reporting(node, self._ledger.add(f"assert {ast.unparse(node.test)}"[:_SHOWN]))

    def _reporting(self, node: ast.Assert, place: int) -> ast.If:
        condition = ast.BoolOp(ast.And(), [_call("begin", place), self._watched(node.test, place)])
        failure = ast.Raise(_call("fail", place, *([node.msg] if node.msg else [])), None)
        return ast.copy_location(ast.If(condition, [ast.Expr(_call("hold", place))], [failure]), node)

    def _shielded(self, node: ast.Assert) -> ast.Try:
        place = self._ledger.add(f"assert {ast.unparse(node.test)}"[:_SHOWN])
        report = ast.Expr(_call("caught", place, ast.Name("__fault__", ast.Load())))
        handler = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), "__fault__", [report])
        return ast.copy_location(ast.Try([self._reporting(node, place)], [handler], [], []), node)

    @staticmethod
    def _watched(test: ast.expr, place: int) -> ast.expr:
        if not isinstance(test, ast.Compare) or len(test.ops) != 1:
            return test
        return ast.copy_location(ast.Compare(_call("left", place, test.left), test.ops, test.comparators), test)


def _shown(value: Any) -> str:
    try:
        return repr(value)[:_SHOWN]
    except ValueError:  # an integer of too many digits
        return f"<{type(value).__name__}>"


def _call(method: str, place: int, *arguments: ast.expr) -> ast.Call:
    function = ast.Attribute(ast.Name(LEDGER, ast.Load()), method, ast.Load())
    return ast.Call(function, [ast.Constant(place), *arguments], [])
