"""Whatever is put before a model has a bounded size, says so where it was cut, and cannot leave the frame it is shown
in: no input closes its own tag or opens another one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import UsageError

FRAME: Final = re.compile(r"<(?=/?(?:input|context|instruction)(?:\s+key=|\s*>))", re.IGNORECASE)
KEY: Final = re.compile(r'[^"<>\s]+')


@dataclass(frozen=True)
class Bounds:
    """How much text one operation shows to a model, in characters."""

    per_input: int = 24_000
    """One input at most."""
    context: int = 72_000
    """All inputs together. Short inputs leave their part to long ones."""
    instruction: int = 8_000


def excerpt(text: str, limit: int) -> str:
    """`text` whole if it has at most `limit` characters, else its head and its tail around a line that says how much
    is missing. The tail is kept because final answers stand there."""
    if len(text) <= limit:
        return text
    head = (limit + 1) // 2
    tail = len(text) - (limit - head)
    return f"{text[:head]}\n[... {tail - head:,} characters left out ...]\n{text[tail:]}"


def framed(text: str) -> str:
    """`text` with the frame's own tags made inert: a backslash follows the `<` of each of them."""
    return FRAME.sub(r"<\\", text)


def render(inputs: Mapping[str, str], bounds: Bounds) -> str:
    """The inputs as the lines between `<context>` and `</context>`. Raises UsageError for a key that does not fit
    into an attribute."""
    limit = fair_share((len(text) for text in inputs.values()), bounds)
    return "\n".join(_tagged(key, excerpt(text, limit)) for key, text in inputs.items())


def fair_share(lengths: Iterable[int], bounds: Bounds) -> int:
    """The largest limit on one input, at most `bounds.per_input`, that keeps the sum within `bounds.context`."""
    waiting = sorted(lengths)
    room, share = bounds.context, bounds.per_input
    for position, length in enumerate(waiting):
        share = min(bounds.per_input, room // (len(waiting) - position))
        if length > share:
            break
        room -= length
    return share


def _tagged(key: str, text: str) -> str:
    if not KEY.fullmatch(key):
        raise UsageError(f"input key {key!r} cannot be shown", fix="Use a key without blanks, quotes or angle brackets")
    return f'<input key="{key}">\n{framed(text)}\n</input>'
