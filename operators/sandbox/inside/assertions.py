"""Every assertion of the tests is accounted for: it held, it failed, or an exception ended it; one that an `except` of
the tests swallowed is still a failure. Assertions at the top level are independent: after one fails, the next runs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

LEDGER = "__assertions__"
"""The name by which instrumented tests reach their ledger."""

_SHOWN = 200


class Ledger:
    """What became of each assertion, by its place in the text."""

    def __init__(self) -> None:
        """An empty ledger."""
        self.texts: list[str] = []
        """Source of each assertion, in order of place."""
        self.begun: list[int] = []
        """How often each was evaluated."""
        self.settled: list[int] = []
        """How often each held or is told of in `failures`."""
        self.failures: list[str] = []
        """One line for each assertion that did not hold."""
        self._left: dict[int, Any] = {}
        self._latest: BaseException | None = None

    def add(self, text: str) -> int:
        """Makes room for one more assertion and returns its place."""
        self.texts.append(text)
        self.begun.append(0)
        self.settled.append(0)
        return len(self.texts) - 1

    def begin(self, place: int) -> None:
        """The assertion is about to be evaluated."""
        self.begun[place] += 1
        self._left.pop(place, None)

    def left(self, place: int, value: Any) -> Any:
        """Passes on the left side of a comparison and remembers it for the failure's text."""
        self._left[place] = value
        return value

    def hold(self, place: int) -> None:
        """The assertion held."""
        self.settled[place] += 1

    def fail(self, place: int, *message: Any) -> AssertionError:
        """The assertion did not hold: records it and returns what to raise."""
        self.settled[place] += 1
        told = f": {_show(message[0], str)}" if message else ""
        seen = f" (left side was {_show(self._left[place], repr)})" if place in self._left else ""
        self.failures.append(f"{self.texts[place]}{told}{seen}")
        self._latest = AssertionError(*message)
        return self._latest

    def caught(self, place: int, fault: BaseException, describe: Callable[[BaseException], str]) -> None:
        """An assertion at the top level ended in an exception."""
        if not self.told(fault):
            self.settled[place] += 1
            self.failures.append(f"{self.texts[place]}: {describe(fault)}")

    def told(self, fault: BaseException) -> bool:
        """Whether `failures` already tells of this exception."""
        return fault is self._latest

    def close(self) -> None:
        """Adds the assertions that an exception ended and the tests swallowed."""
        for text, begun, settled in zip(self.texts, self.begun, self.settled, strict=True):
            if begun > settled:
                self.failures.append(f"{text}: an exception ended it {begun - settled} times")


def instrument(tree: ast.Module, ledger: Ledger) -> ast.Module:
    """Rewrites every `assert` of `tree` to report to `ledger`, which runs under the name `LEDGER`."""
    body: list[ast.stmt] = []
    writer = _Writer(ledger)
    for statement in tree.body:
        rewritten = writer.visit(statement)
        body += [writer.shielded(rewritten)] if isinstance(statement, ast.Assert) else rewritten_list(rewritten)
    return ast.fix_missing_locations(ast.Module(body, tree.type_ignores))


def rewritten_list(node: ast.stmt | list[ast.stmt]) -> list[ast.stmt]:
    return node if isinstance(node, list) else [node]
