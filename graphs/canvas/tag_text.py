"""A reply is cut into tags and nothing else. Reasoning goes first, and what stands in `prompt` and `answer` is lifted
out whole before any other tag is looked for, so that no text of a model is read as an action by accident.

Tags are `<name>` or `[name]` in any case, and may be mixed; a square bracket that is never closed is prose."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, NamedTuple

DATA: Final = ("prompt", "answer")
"""Their text is data: it may hold tags."""
WORDS: Final = (
    "action", "structure", "operators", "operator", "condition", "true", "false", "count", "target", "position", "span",
)  # fmt: skip
"""Their text is words without brackets."""
MARK: Final = re.compile(r"<\s*(/?)\s*(think|prompt|answer)\s*[>\]]|\[\s*(/?)\s*(prompt|answer)\s*[>\]]", re.IGNORECASE)
LEAF: Final = re.compile(
    rf"[<\[]\s*(?P<name>{'|'.join(WORDS)})\s*[>\]](?P<text>[^<>\[\]]*+)[<\[]\s*/\s*(?P=name)\s*[>\]]", re.IGNORECASE
)
STRAY: Final = re.compile(rf"<\s*/?\s*({'|'.join(WORDS)})\s*>", re.IGNORECASE)
OPENED: Final = re.compile(r"[<\[]\s*/?\s*action\s*[>\]]", re.IGNORECASE)


@dataclass
class Reply:
    """A reply taken apart."""

    said: str = ""
    """All but the reasoning, as it was written."""
    thought: bool = False
    """Whether there was reasoning."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Name and text of every complete tag, without outer blanks."""
    broken: list[str] = field(default_factory=list)
    """Names of tags in angle brackets that are not closed, or closed without being opened."""
    opened: bool = False
    """Whether an action is opened or closed in any brackets, but not both."""

    def all(self, name: str) -> list[str]:
        """The texts of every tag called `name`."""
        return [text for one, text in self.fields if one == name]


class Mark(NamedTuple):
    """A tag at which data or reasoning begins or ends."""

    name: str
    closes: bool
    bracket: str
    """`<` or `[`."""
    start: int
    end: int


def taken_apart(text: str) -> Reply:
    """The reply in `text`."""
    scan = _Scan(text)
    scan.run()
    reply, rest = scan.reply, scan.rest
    for leaf in LEAF.finditer(rest):
        reply.fields.append((leaf["name"].lower(), leaf["text"].strip()))
    left = LEAF.sub(" ", rest)
    reply.broken += [found[1].lower() for found in STRAY.finditer(left)]
    reply.opened = OPENED.search(left) is not None
    return reply


class _Scan:
    """Goes through the marks of a text once, from the left: what opens first decides what the rest is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reply = Reply()
        self.rest = ""
        """What is neither reasoning nor data."""
        self.at = 0
        self.marks = [_mark(found) for found in MARK.finditer(text)]
        self.closes: dict[str, list[int]] = {}
        """Where each name is closed, in either bracket."""
        for number, mark in enumerate(self.marks):
            if mark.closes:
                self.closes.setdefault(mark.name, []).append(number)
        self.balanced = _balanced(self.marks)

    def run(self) -> None:
        """Fills `reply` and `rest`."""
        number = 0
        while number < len(self.marks):
            mark = self.marks[number]
            number = self._thought(number) if mark.name == "think" else self._data(number)
        self._keep(len(self.text))

    def _keep(self, end: int) -> None:
        piece = self.text[self.at : end]
        self.reply.said += piece
        self.rest += piece
        self.at = end

    def _thought(self, number: int) -> int:
        """Past reasoning. A close without an opening ends reasoning that the chat template opened: all before it."""
        mark = self.marks[number]
        self.reply.thought = True
        if mark.closes:
            self.reply, self.rest, self.at = Reply(thought=True), "", mark.end
            return number + 1
        self._keep(mark.start)
        for later, other in enumerate(self.marks[number:], start=number):
            if other.name == "think" and other.closes:
                self.at = other.end
                return later + 1
        self.at = len(self.text)
        return len(self.marks)

    def _data(self, number: int) -> int:
        """Past data, which is lifted out; or past a mark that is none."""
        mark = self.marks[number]
        close = None if mark.closes else self._close(number)
        if close is None:
            if mark.bracket == "<":
                self.reply.broken.append(mark.name)
            return number + 1
        last = self.marks[close]
        self._keep(mark.start)
        self.reply.fields.append((mark.name, self.text[mark.end : last.start].strip()))
        self.reply.said += self.text[mark.start : last.end]
        self.rest += " "
        self.at = last.end
        return close + 1

    def _close(self, number: int) -> int | None:
        """Where the data that opens here is closed: where the tags of its bracket balance, or else at the first close
        of it, unless an action stands in between. None: nowhere."""
        mark = self.marks[number]
        if number in self.balanced:
            return self.balanced[number]
        closes = self.closes.get(mark.name, [])
        later = bisect_right(closes, number)
        if later == len(closes):
            return None
        inside = self.text[mark.end : self.marks[closes[later]].start]
        return None if OPENED.search(inside) else closes[later]


def _balanced(marks: list[Mark]) -> dict[int, int]:
    """The close of each opening whose tags balance, by the places of both; found in one pass."""
    open_: dict[tuple[str, str], list[int]] = {}
    closed: dict[int, int] = {}
    for number, mark in enumerate(marks):
        stack = open_.setdefault((mark.name, mark.bracket), [])
        if not mark.closes:
            stack.append(number)
        elif stack:
            closed[stack.pop()] = number
    return closed


def _mark(found: re.Match[str]) -> Mark:
    angle = found[2] is not None
    end, name = (found[1], found[2]) if angle else (found[3], found[4])
    return Mark(name.lower(), end == "/", "<" if angle else "[", found.start(), found.end())
