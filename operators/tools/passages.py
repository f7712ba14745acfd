"""A passage is a piece of a document, character for character: its offsets cut it out of the source again. Passages do
not overlap, and together they hold every character that is not blank."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 1_200
"""Characters of a passage."""
PARAGRAPH: Final = re.compile(r"\S(?:.*?\S)?(?=\s*?\n[ \t]*\n|\s*\Z)", re.DOTALL)
BLANK: Final = re.compile(r"\s+")


@dataclass(frozen=True)
class Document:
    """A text with a name."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class Passage:
    """A piece of a document."""

    document: str
    """The document's id."""
    title: str
    start: int
    """Offset of its first character in the document's text."""
    text: str

    @property
    def end(self) -> int:
        """Offset behind its last character."""
        return self.start + len(self.text)

    @property
    def id(self) -> str:
        """Names the passage within its corpus."""
        return f"{self.document}#{self.start}-{self.end}"


def passages_of(document: Document, longest: int = LONGEST) -> Iterator[Passage]:
    """The document's passages in order: neighbouring paragraphs together as long as they fit into `longest`
    characters, and longer paragraphs cut at a blank where there is one."""
    begin = end = 0
    for start, stop in _pieces(document.text, longest):
        if end and stop - begin > longest:
            yield _passage(document, begin, end)
            begin = start
        elif not end:
            begin = start
        end = stop
    if end:
        yield _passage(document, begin, end)


def _pieces(text: str, longest: int) -> Iterator[tuple[int, int]]:
    """Where the paragraphs of `text` begin and end; none is longer than `longest`."""
    for found in PARAGRAPH.finditer(text):
        start, stop = found.span()
        while stop - start > longest:
            blank = max(text.rfind(mark, start + 1, start + longest + 1) for mark in (" ", "\n"))
            cut = blank if blank > start else start + longest
            yield start, start + len(text[start:cut].rstrip())
            start = cut + len(text[cut:stop]) - len(text[cut:stop].lstrip())
        yield start, stop


def _passage(document: Document, start: int, end: int) -> Passage:
    return Passage(document.id, document.title, start, document.text[start:end])
