"""The final answer of a text is what the text itself marks as final, the last mark first; where nothing is marked
there is none, and no words are taken for one."""

from __future__ import annotations

import re
from typing import Final

from .fences import Block, parts
from .source import find_source, is_module

LABEL: Final = re.compile(
    r"^(?:[^\w\n]|_)*(?:(?:the|my|our)[ \t]+)?(?:final[ \t]+|correct[ \t]+)?answer(?:[ \t]+is)?(?:[ \t]*\([^)\n]*\))?"
    r"[ \t*_]*[:=][ \t*_]*(?P<said>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
SENTENCE: Final = re.compile(
    r"\banswer[ \t]++is\b[ \t]*+:?[ \t]*+(?!not\b)(?P<said>\S[^\n]*?)(?:\.\s|\.?$)", re.IGNORECASE | re.MULTILINE
)
LAST_LINE: Final = re.compile(r"^[ \t]*####[ \t]*(?P<said>\S.*)\s*\Z", re.MULTILINE)
TAGGED: Final = re.compile(r"<answer>(?P<said>(?:(?!</?answer>).)*)</answer>", re.IGNORECASE | re.DOTALL)
BRACKETS: Final = re.compile(r"\[\[(?P<said>[^\[\]\n]{1,200})\]\]")
ELSEWHERE: Final = re.compile(r"\b(?:above|below|code)\b", re.IGNORECASE)
OPENERS: Final = frozenset({"", "$$", r"\["})
BLOCK: Final = "```"
BOXES: Final = 20
"""How many `\\boxed` are looked at from the end; bounds the work on text that opens thousands of them."""


def final_answer(text: str) -> str | None:
    """The final answer in `text`: the last `Answer:` line or `\\boxed{}`, whichever comes later; else the last
    `<answer>x</answer>`; else a last line `#### x`; else the last `[[x]]`; else the last sentence `the answer is x`;
    else the program in a fenced block. None: nothing is marked as final."""
    pieces = list(parts(text))
    prose = "\n".join(BLOCK if isinstance(piece, Block) else piece for piece in pieces)
    blocks = [piece.text.strip() for piece in pieces if isinstance(piece, Block)]
    program = find_source(text).code if blocks else ""
    return (
        _marked(prose, blocks, program)
        or _last(TAGGED, prose)
        or _last(LAST_LINE, prose)
        or _last(BRACKETS, prose)
        or _last(SENTENCE, prose)
        or (program if is_module(program) else "")
        or _last(LABEL, text)
        or program
        or None
    )


def last_boxed(text: str) -> tuple[int, str] | None:
    """Position and content of the last `\\boxed{...}` whose braces balance; None: there is none."""
    for opening in list(re.finditer(r"\\f?boxed\s*\{", text))[: -BOXES - 1 : -1]:
        depth = 1
        for at in range(opening.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if not depth:
                return opening.start(), text[opening.end() : at].strip()
    return None


def _marked(prose: str, blocks: list[str], program: str) -> str:
    labels, box = list(LABEL.finditer(prose)), last_boxed(prose)
    if box and (not labels or box[0] > labels[-1].end()):
        return box[1]
    if not labels:
        return ""
    said = _bare(labels[-1]["said"])
    if said in OPENERS or said.endswith(":"):
        after = prose[labels[-1].end() if said.endswith(":") else labels[-1].start("said") :]
        said = _paragraph(after, blocks) or said
    return program if program and ELSEWHERE.search(said) else said


def _paragraph(after: str, blocks: list[str]) -> str:
    """The first paragraph of the rest of the text, or the block it starts with."""
    lines = after.strip().splitlines()
    if lines and lines[0] == BLOCK:
        return blocks[-lines.count(BLOCK)]
    return _bare("\n".join(lines).split("\n\n")[0])


def _last(pattern: re.Pattern[str], text: str) -> str:
    said = [found["said"] for found in pattern.finditer(text)]
    return _bare(said[-1]) if said else ""


def _bare(said: str) -> str:
    """Without the emphasis that Markdown opened before the label, and without the full stop after a number."""
    said = said.strip()
    said = said.rstrip("*_ ") if said.count("**") % 2 or said.endswith("_") else said
    return re.sub(r"(?<=[\d})\]$%])\.$", "", said)
