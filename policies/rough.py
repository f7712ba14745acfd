"""Objects that are nearly JSON: trailing commas, single quotes, comments, bare keys, raw quotes within strings.

Invariant: such an object is read only if it is closed, so that nothing cut off is ever completed by a guess.
"""

from __future__ import annotations

import re
from typing import Any

import json_repair

DEPTH_LIMIT = 64
"""Levels of nesting an action may have. The deepest in use has 5."""

_SIGNIFICANT = re.compile(r"""["'{}\[\]#]|//|/\*""")
_STRING_END = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_QUOTE_END = re.compile(r"'(?=\s*[,:}\]])")
_BEFORE_QUOTE = frozenset("{[,: \t\n")


class NotClosedError(ValueError):
    """An object that does not end where it could. `cut`: the text ended first; else it is nested too deep."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__("the object is not closed" if cut else "the object is nested too deep")
        self.cut = cut


def closing(text: str, start: int) -> int:
    """Where the brace at `start` is closed, strings and comments aside, in time linear in the way there. Raises
    NotClosedError."""
    depth, position = 0, start
    while (mark := _SIGNIFICANT.search(text, position)) is not None:
        position = mark.end()
        if mark[0] in "{[":
            depth += 1
        elif mark[0] in "}]":
            depth -= 1
        else:
            position = _skipped(text, mark)
        if depth == 0:
            return position
        if depth > DEPTH_LIMIT:
            raise NotClosedError(cut=False)
    raise NotClosedError(cut=True)


def read(text: str) -> dict[str, Any] | None:
    """The object that a closed text means; None if it means none."""
    value = json_repair.loads(text, skip_json_loads=True)
    return value if isinstance(value, dict) else None


def _skipped(text: str, mark: re.Match[str]) -> int:
    """The end of the string or comment that begins at `mark`. Raises NotClosedError if it has none."""
    if mark[0] == "'":
        if text[mark.start() - 1] not in _BEFORE_QUOTE:
            return mark.end()  # an apostrophe
        end = _QUOTE_END.search(text, mark.end())
    elif mark[0] == '"':
        end = _STRING_END.match(text, mark.start())
    else:
        closer = "*/" if mark[0] == "/*" else "\n"
        found = text.find(closer, mark.end())
        if found < 0:
            raise NotClosedError(cut=True)
        return found + len(closer)
    if end is None:
        raise NotClosedError(cut=True)
    return end.end()
