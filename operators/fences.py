"""Fenced blocks are found as models write them: inside tags and lists, at any indentation, with any label, or never
closed. A CommonMark parser finds fewer, because much of that is not CommonMark."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FENCE: Final = re.compile(r"\s*(?:(?:[-*+>]|\d+[.)])\s+)?(?P<mark>`{3,}|~{3,})\s*(?P<label>[^\s`{]*+)[^`]*+$")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    label: str
    """Language as written after the fence, lower case; empty: none."""
    text: str
    """What stands between the fences, without common indentation."""


def fenced_blocks(text: str) -> list[Block]:
    """The fenced blocks of `text` in order."""
    return [part for part in parts(text) if isinstance(part, Block)]


def outside_fences(text: str) -> str:
    """The lines of `text` that stand in no fenced block."""
    return "\n".join(part for part in parts(text) if isinstance(part, str))


def parts(text: str) -> Iterator[Block | str]:
    """`text` as fenced blocks and the lines between them, in order."""
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.splitlines():
        fence = FENCE.match(line)
        if opened is None and fence is None:
            yield line
        elif opened is None:
            opened, lines = fence, []
        elif line.strip().startswith(opened["mark"]) and not line.strip().strip(opened["mark"][0]):
            yield _block(opened, lines)
            opened = None
        else:
            lines.append(line)
    if opened is not None:
        yield _block(opened, lines)


def _block(opened: re.Match[str], lines: list[str]) -> Block:
    return Block(opened["label"].lower(), textwrap.dedent("\n".join(lines)))
