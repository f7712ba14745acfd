"""A yes/no/maybe decision is the last bracketed one; plain words decide only without a bracket, and are flagged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Label = Literal["yes", "no", "maybe"]
BRACKETED: Final = re.compile(r"\[\[\s*(yes|no|maybe)\s*\]\]", re.IGNORECASE)
WORD: Final = re.compile(r"\b(yes|no|maybe)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Decision:
    """What an answer decides."""

    label: Label | None
    """None: no decision was found."""
    flagged: bool
    """True: read from a plain word, so not to be trusted without a look."""


def read_decision(text: str) -> Decision:
    """The decision of a PubMedQA-style answer."""
    for pattern, flagged in ((BRACKETED, False), (WORD, True)):
        found = pattern.findall(text)
        if found:
            return Decision(found[-1].lower(), flagged)
    return Decision(None, flagged=True)
