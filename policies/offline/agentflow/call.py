"""A call is what one line of AgentFlow's memory says of it: who was called, for what, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..sections import Line

CHECK: Final = "Check {key}"
"""How a sub-goal begins that has one result checked."""
_CHECKS: Final = re.compile(r"Check (\S+@\d+)\b")
_ASSERTED: Final = re.compile(r"\bAssertionError\b")
EXECUTING: Final = frozenset({"PYTHON", "CALCULATOR", "ALGEBRA", "Programmer"})
"""Tools that compute; every other one writes."""
VOTING: Final = frozenset({"SELF_CONSISTENCY_ENSEMBLE", "ENSEMBLE"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool or an operator."""

    key: str
    tool: str
    sub_goal: str
    status: str
    result: str = ""
    answer: str | None = None
    """None: it gave no single answer."""

    @classmethod
    def of(cls, line: Line) -> Call:
        """The call in a memory line."""
        result = str(line.get("result", ""))
        return cls(line["key"], line["tool"], str(line.get("sub_goal", "")), line["status"], result, line.get("answer"))

    @property
    def checks(self) -> str | None:
        """Key of the result that it checks; None: it is no check."""
        found = _CHECKS.match(self.sub_goal)
        return found[1] if found else None

    @property
    def ok(self) -> bool:
        """Whether it gave a result."""
        return self.status == "ok"

    @property
    def holds(self) -> bool | None:
        """Of a check: True where every assertion held, False where one did not; None: it asserted nothing, because it
        did not run to its end."""
        if self.ok and self.answer is not None:
            return True
        return False if _ASSERTED.search(self.result) else None


def calls_in(lines: Iterable[Line]) -> tuple[Call, ...]:
    """The calls among memory lines, oldest first."""
    return tuple(Call.of(line) for line in lines if {"key", "tool", "status"} <= line.keys())
