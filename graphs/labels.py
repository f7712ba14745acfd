"""A labelled plan is read by labels at the start of a line, and only there: no words of its texts, no reasoning and no
line of a code block in them is taken for a label, and nothing of a text is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    sections = list(_sections(lines))
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


def _sections(lines: list[str]) -> Iterator[_Section]:
    """The labelled parts. Within the code blocks of a text there are no labels; a block never closed is no block."""
    closing = {line.strip()[0]: number for number, line in enumerate(lines) if re.fullmatch(r"\s*(`{3,}|~{3,})\s*", line)}
    section: _Section | None = None
    mark = ""
    for number, line in enumerate(lines):
        label = None if mark else LABEL.match(line)
        if label is not None:
            if section is not None:
                yield section
            word = re.sub(r"[-_ ]", "", label["label"].lower())
            section = _Section(NAMES.get(word, "tool"), number, [label["rest"]])
        elif section is not None:
            section.lines.append(line)
        mark = _block_mark(section, mark, closing.get(...), number)
    if section is not None:
        yield section
