"""A labelled plan is read by labels at the start of a line, and only there: words of its texts are never taken for
labels, and nothing of a text is changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

LABEL: Final = re.compile(
    r"^[ \t]*(?:(?:[-*#>•]|\d{1,2}[.)])[ \t]+)?(?P<open>\*\*|__)?[ \t]*"
    r"(?P<label>justification|context|sub[-_ ]?goal|tool(?:[-_ ]?name)?)"
    r"[ \t]*(?:\*\*|__)?[ \t]*:[ \t]*(?(open)(?:\*\*|__)?)[ \t]*(?P<rest>.*)$",
    re.IGNORECASE,
)
NAMES: Final = {"justification": "justification", "context": "context", "subgoal": "sub_goal"}


@dataclass
class Labelled:
    """The last labelled step of a text."""

    fields: dict[str, str]
    """`context`, `sub_goal`, `tool` and, where given, `justification`."""
    notices: list[str] = field(default_factory=list)
    """What was left out: another plan before it, prose after it."""


@dataclass
class _Section:
    name: str
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def read_labels(text: str) -> Labelled | None:
    """The last step that names a tool; None: there is none."""
    sections = _sections(text)
    tools = [index for index, one in enumerate(sections) if one.name == "tool"]
    if not tools:
        return None
    last, before = tools[-1], tools[-2] if len(tools) > 1 else -1
    found = Labelled({one.name: one.text for one in sections[before + 1 : last]})
    tool, _, prose = sections[last].text.partition("\n")
    found.fields["tool"] = tool.strip()
    if len(tools) > 1:
        found.notices.append(f"{len(tools)} plans were given; the last one counts")
    if prose.strip() or last + 1 < len(sections):
        found.notices.append("text after the tool's name was left out")
    return found


def _sections(text: str) -> list[_Section]:
    sections: list[_Section] = []
    for line in text.splitlines():
        match = LABEL.match(line)
        if match:
            word = re.sub(r"[-_ ]", "", match["label"].lower())
            sections.append(_Section(NAMES.get(word, "tool"), [match["rest"]]))
        elif sections:
            sections[-1].lines.append(line)
    return sections
