"""A scenario is what the models say in a run that gets killed: a function of the prompt alone, so that a repeated
request gets the same answer whoever asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

TURN: Final = re.compile(r'"turn": (\d+), "turns"')


@dataclass(frozen=True)
class Scenario:
    """One system's run, and what it must come to when nobody kills it."""

    designs: Mapping[tuple[int, int], str]
    """The designer's replies by turn and number of repairs."""
    others: Callable[[str, list[str]], str]
    """What any other model says: from its name and the texts of its prompt."""
    outcomes: tuple[str, ...]
    """Of its decisions, in order."""
    failing: tuple[str, ...]
    """Operators that give nothing."""
    calls: int
    """Model calls of the whole run."""
    looked_up: int
    """Tool calls of the whole run that another process sees."""
    at_once: int
    """Calls that may be in flight side by side."""

    def reply(self, model: str, texts: list[str]) -> str:
        """What `model` says to these messages."""
        if model != "designer":
            return self.others(model, texts)
        return self.designs[turn_of(texts), attempt_of(texts)]


def turn_of(texts: list[str]) -> int:
    """The turn that a prompt's budget tells."""
    return int(TURN.findall("\n".join(texts))[-1])


def attempt_of(texts: list[str]) -> int:
    """Corrections of the decision that is being made."""
    told = (text.startswith("That was refused") for text in reversed(texts[1::2]))
    return len([*takewhile(bool, told)])


def operator_of(texts: list[str]) -> str:
    """The operator that a prompt speaks to; empty: to none."""
    found = re.search(r"You are the (\w+) operator", texts[0])
    return found[1] if found else ""
