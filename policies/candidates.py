"""All JSON objects that stand in a reply by themselves, left to right, in time linear in its length.

Invariants: an object is found with a real JSON decoder from its own brace, so braces in prose and in strings mislead
nothing; what lies within a reasoning block, or within another object, is not a candidate; work is metered, so a hostile
reply ends in an error and not in a long wait; no exception of a parser leaves this module.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from . import rough

_REASONING = r"<(?P<close>/?)(?:think|thinking|thought|reasoning)>"
_MARK = re.compile(
    _REASONING + r"""|\{(?=\s*(?:\}|"(?:[^"\\]|\\.)*+"\s*:|'[^'\n]{0,99}+'\s*:|[A-Za-z_]\w{0,99}+\s*:|//|/\*|\#))""",
    re.IGNORECASE | re.DOTALL,
)
"""Where a reasoning block begins or ends, and where an object may: a brace before a key or the end of the object."""
_REASONING_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_CUT_AT_KEY = re.compile(r"""\{\s*(?:["'][^"'{}]{0,99}["']?\s*)?\Z""")

_MARGIN = 16
"""Characters before the end of a window at which a decoder may stumble over the window's end."""
_CUT_REST = re.compile(r"(?:t(?:ru?)?|f(?:al?|als)?|nu?l?|-|[.eE][+-]?|\\?u[0-9A-Fa-f]{0,3})?\s*", re.IGNORECASE)
"""What is left after the decoder's stumbling block when the text ends in the middle of a value."""
_FIRST_WINDOW = 4096
_ROUGH_LIMIT = 200_000
"""Characters of a roughly written object at most."""
_QUOTED_KEY = re.compile(r"""\{\s*["']""")

# What things cost, in units of about 10 ns; a reply may cost _ALLOWANCE and _PER_CHARACTER more for each character.
_ALLOWANCE, _PER_CHARACTER = 10_000_000, 4
_ATTEMPT, _TOO_DEEP, _SCAN_CHARACTER, _REPAIR, _REPAIR_CHARACTER = 300, 10_000, 8, 1_000, 150


class TangledError(ValueError):
    """So many braces lead nowhere that the search was given up."""


class Candidate(NamedTuple):
    """An object in a text."""

    value: dict[str, Any]
    start: int
    end: int


@dataclass
class Candidates:
    """What a text holds."""

    text: str
    found: list[Candidate] = field(default_factory=list)
    open_at: int | None = None
    """Where the last object begins that never ends; None: all end."""
    reasoning: list[tuple[int, int]] = field(default_factory=list)
    """Where reasoning stands, from left to right."""
    thinking: bool = False
    """True: the text ends within a reasoning block."""
    spent: int = 0

    @classmethod
    def of(cls, text: str) -> Candidates:
        """Looks through `text`. Raises TangledError when that takes too much work."""
        self = cls(text)
        position = 0
        while (mark := _MARK.search(text, position)) is not None:
            position = self._tag(mark) if mark["close"] is not None else self._brace(mark.start())
        if (cut := _CUT_AT_KEY.search(text, max(position, len(text) - 200))) is not None:
            self.open_at = cut.start()
        return self

    @property
    def silent(self) -> bool:
        """Whether nothing stands outside reasoning."""
        position, outside = 0, ""
        for start, end in self.reasoning:
            outside += self.text[position:start]
            position = end
        return not (outside + self.text[position:]).strip()

    def _tag(self, mark: re.Match[str]) -> int:
        """Skips a reasoning block; a closing tag alone says that all before it was reasoning."""
        if mark["close"]:
            self.found.clear()
            self.open_at = None
            self.reasoning = [(0, mark.end())]
            return mark.end()
        closed = _REASONING_END.search(self.text, mark.end())
        self.thinking = closed is None
        end = closed.end() if closed else len(self.text)
        self.reasoning.append((mark.start(), end))
        return end

    def _brace(self, start: int) -> int:
        """Takes the object at `start`, if there is one; where to go on."""
        value, end, whole = self._strict(start)
        if value is None and not whole:
            self.open_at = start
            return len(self.text)  # good JSON up to the end of the text: everything from here on is inside it
        if value is None:
            value, end = self._rough(start)
        if value is None:
            return start + 1
        self.found.append(Candidate(value, start, end))
        return end

    def _strict(self, start: int) -> tuple[dict[str, Any] | None, int, bool]:
        """Object and its end; else None, and whether the reason is something else than the end of the text."""
        window = _FIRST_WINDOW
        while True:
            piece = self.text[start : start + window]
            last = start + window >= len(self.text)
            try:
                value, used = _DECODER.raw_decode(piece)
            except json.JSONDecodeError as error:
                self._spend(_ATTEMPT + error.pos)
                if last or not _at_end(error, piece, _MARGIN):
                    return None, start, not (last and _at_end(error, piece))
                window *= 8
            except (RecursionError, ValueError):  # ValueError: a number Python does not read, NaN
                self._spend(_TOO_DEEP)
                return None, start, True
            else:
                self._spend(_ATTEMPT + used)
                return value, start + used, True

    def _rough(self, start: int) -> tuple[dict[str, Any] | None, int]:
        """The same for an object that is nearly JSON."""
        piece = self.text[start : start + _ROUGH_LIMIT]
        self._spend(_ATTEMPT)
        try:
            length = rough.closing(piece, 0)
        except rough.NotClosedError as error:
            self._spend(_SCAN_CHARACTER * len(piece))
            if error.cut and start + len(piece) == len(self.text) and _QUOTED_KEY.match(piece):
                self.open_at = start
            return None, start
        self._spend(_REPAIR + _REPAIR_CHARACTER * length)
        return rough.read(piece[:length]), start + length

    def _spend(self, units: int) -> None:
        self.spent += units
        if self.spent > _ALLOWANCE + _PER_CHARACTER * len(self.text):
            raise TangledError("the reply holds too many braces to look through")


def _at_end(error: json.JSONDecodeError, piece: str, margin: int | None = None) -> bool:
    """Whether the decoder failed because `piece` ends: exactly, or (`margin`) possibly."""
    if error.msg.startswith("Unterminated string"):
        return True
    return error.pos >= len(piece) - margin if margin else _CUT_REST.fullmatch(piece, error.pos) is not None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_number)
"""`strict=False` takes raw newlines within strings; other control characters are refused afterwards."""
