"""A designer's prompt is read by its sections, which open and close on lines of their own; what stands inside the
problem never opens one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage

_PROBLEM: Final = re.compile(r"^<problem>\n(.*)^</problem>$", re.DOTALL | re.MULTILINE)
_SECTION: Final = "^<{0}>\n(.*?)^</{0}>$"
_REFUSED: Final = "That was refused"
_LISTED: Final = re.compile(r"^- ([A-Za-z][\w.-]*): ", re.MULTILINE)
Line = dict[str, Any]


@dataclass(frozen=True)
class Sections:
    """What one prompt says."""

    instructions: str
    """All before the problem."""
    problem: str
    state: str
    """What comes after the problem in its message, and in the messages after it."""
    corrects: bool
    """Whether the prompt goes on with a correction of an earlier reply to it."""

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> Sections | None:
        """The sections of a prompt; None: no message has a problem."""
        for position in reversed(range(len(messages))):
            text = messages[position].text
            if problem := _PROBLEM.search(text):
                said = [message.text for message in messages[:position]] + [text[: problem.start()]]
                later = [one.text for one in messages[position + 1 :] if not isinstance(one, AIMessage)]
                corrects = bool(later) and later[-1].startswith(_REFUSED)
                return cls("\n".join(said), problem[1].strip(), "\n".join((text[problem.end() :], *later)), corrects)
        return None

    def lines(self, section: str) -> tuple[Line, ...]:
        """The JSON objects of a section, one a line, as it was told last."""
        return (self.telling(section) or [()])[-1]

    def telling(self, section: str) -> list[tuple[Line, ...]]:
        """The same of each time it was told."""
        found = re.finditer(_SECTION.format(section), self.state, re.DOTALL | re.MULTILINE)
        return [json_lines(match[1]) for match in found]

    @cached_property
    def budget(self) -> Line:
        """The budget line; empty where there is none."""
        return next(iter(self.lines("budget")), {})

    @cached_property
    def feedback(self) -> tuple[Line, ...]:
        """What went wrong in the last turn."""
        return self.lines("feedback")

    @cached_property
    def listed(self) -> frozenset[str]:
        """Names in the catalogue of the instructions."""
        return frozenset(_LISTED.findall(self.instructions))

    @property
    def corrected(self) -> bool:
        """Whether a reply was refused a moment ago: then care is taken."""
        return self.corrects or any(one.get("kind") == "policy" for one in self.feedback)

    def left(self, resource: str) -> float:
        """What remains of a limit; infinite where there is none. Of `turns`: those after this one."""
        return left(self.budget, resource)

    def refuses(self, name: str) -> bool:
        """Whether an operator or tool of this name was said to be unknown a moment ago."""
        unknown = (one for one in self.feedback if str(one.get("code", "")).startswith("unknown_"))
        return any(name in str(one.get("message", "")) for one in unknown)


def json_lines(text: str) -> tuple[Line, ...]:
    """The JSON objects that are a line of `text` each."""
    found = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
    return tuple(line for line in found if isinstance(line, dict))


def left(budget: Mapping[str, Any], resource: str) -> float:
    """What a budget line says remains of a limit; infinite where there is none. Of `turns`: those after this one."""
    limit, used = budget.get(f"{resource}_limit"), budget.get(resource, 0)
    if resource == "turns":
        limit, used = budget.get("turns"), budget.get("turn", 1)
    return float("inf") if limit is None else float(limit - used)
