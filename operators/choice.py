"""A choice counts only if it is exactly one of the letters that were offered; anything else is a recorded non-choice,
never rounded or clamped to one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

TAIL: Final = 4_000
"""Characters of a reply, from its end, in which a choice is looked for."""


@dataclass(frozen=True)
class Choice:
    """What a selector said."""

    letter: str | None
    """None: it chose nothing that was offered."""
    problem: str | None = None
    """Why there is no letter; None: there is one."""


def read_choice(reply: str, letters: Collection[str]) -> Choice:
    """The choice in the last JSON object of `reply` that has a `choice`."""
    objects = [found for found in json_objects(reply[-TAIL:]) if "choice" in found]
    accepted = f"one of {', '.join(letters)}"
    if not objects:
        return Choice(None, f'the reply has no JSON object with a "choice", {accepted}')
    chosen = objects[-1]["choice"]
    if isinstance(chosen, str) and chosen.strip().upper() in letters:
        return Choice(chosen.strip().upper())
    return Choice(None, f"the choice {json.dumps(chosen)[:80]} is not {accepted}")


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in `text`, in order, whatever stands between them."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield found
        at = text.find("{", end)
