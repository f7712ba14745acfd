"""A labelled plan is read by labels at the start of a line, and only there: no words of its texts, no reasoning and no
line of a code block in them is taken for a label, and nothing of a text is changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from ..operators.fences import FENCE
from ..policies.candidates import Candidates, TangledError
from .spoken import spoken

LABEL: Final = re.compile(
    r"[ \t]*(?:(?:[-*>•]|\#{1,6}|\d{1,2}[.)])[ \t]+)*(?P<open>\*\*|__)?[ \t]*"
    r"(?P<label>justification|context|sub[-_ ]?goal|tool(?:[-_ ]?name)?)[ \t]*"
    r"(?(open)(?:(?:\*\*|__)[ \t]*:|:(?:\*\*|__)?)|:)[ \t]*(?P<rest>.*)",
    re.IGNORECASE,
)
BARE: Final = re.compile(r"\s*(?:`{3,}|~{3,})\s*")
"""A line that may end a code block; a block that none ends is no block."""
NAMES: Final = {"justification": "justification", "context": "context", "subgoal": "sub_goal"}


@dataclass
class Labelled:
    """The last labelled step of a text."""

    fields: dict[str, str]
    """`context`, `sub_goal`, `tool` and, where given, `justification`."""
    after: str
    """What follows the tool's name."""
    notices: list[str] = field(default_factory=list)
    """What was left out: another plan before it, prose after it."""


@dataclass
class _Section:
    name: str
    at: int
    """Number of its first line."""
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def read_labels(text: str) -> Labelled | None:
    """The last step that names a tool; None: there is none, or it stands within an object."""
    lines = spoken(text).split("\n")
    sections = _sections(lines)
    tools = [index for index, one in enumerate(sections) if one.name == "tool"]
    if not tools:
        return None
    last, before = tools[-1], tools[-2] if len(tools) > 1 else -1
    if _opens_object("\n".join(lines[: sections[before + 1].at])):
        return None
    tool, _, prose = sections[last].text.partition("\n")
    found = Labelled({one.name: one.text for one in sections[before + 1 : last]}, prose)
    found.fields["tool"] = tool.strip()
    if last + 1 < len(sections):
        found.after += "\n" + "\n".join(lines[sections[last + 1].at :])
    if len(tools) > 1:
        found.notices.append(f"{len(tools)} plans were given; the last one counts")
    if re.search(r"\w", found.after):
        found.notices.append("text after the tool's name was left out")
    return found


def _sections(lines: list[str]) -> list[_Section]:
    sections: list[_Section] = []
    ends = {line.strip()[0]: number for number, line in enumerate(lines) if BARE.fullmatch(line)}
    mark = ""
    for number, line in enumerate(lines):
        label = None if mark else LABEL.match(line)
        text = label["rest"] if label else line
        if label:
            word = re.sub(r"[-_ ]", "", label["label"].lower())
            sections.append(_Section(NAMES.get(word, "tool"), number, [text]))
        elif sections:
            sections[-1].lines.append(text)
        if mark:
            mark = "" if line.strip().startswith(mark) and BARE.fullmatch(line) else mark
        elif sections and sections[-1].name != "tool":
            fence = FENCE.match(text)
            mark = fence["mark"] if fence and ends.get(fence["mark"][0], 0) > number else ""
    return sections


def _opens_object(head: str) -> bool:
    """Whether an object begins in `head` and does not end there."""
    try:
        return Candidates.of(head).open_at is not None
    except TangledError:
        return True
