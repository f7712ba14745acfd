"""A verification judges and suggests; it never takes the place of the answer it is about. A confidence that is not a
number from 0 to 1 is no confidence."""

from __future__ import annotations

import re
from typing import Final

from .answers import final_answer
from .outcome import Outcome
from .reasoning import read_review

CONFIDENCE: Final = re.compile(
    r"^(?:[^\w\n]|_)*confidence[ \t*_]*[:=][ \t*_]*(?P<number>\d{1,3}(?:\.\d{1,9})?|\.\d{1,9})[ \t]*(?P<percent>%)?"
    r"[ \t*_.]*$",
    re.IGNORECASE | re.MULTILINE,
)


def read_verification(text: str) -> Outcome:
    """A verdict with the answer and the confidence it rests on, in `data`: `suggested_answer` is None where the text
    marks none, `confidence` where it states none from 0 to 1."""
    review = read_review(text)
    found = {"confidence": read_confidence(text), "suggested_answer": final_answer(text)}
    return review.model_copy(update={"data": {**review.data, **found}})


def read_confidence(text: str) -> float | None:
    """The last stated confidence, from 0 to 1."""
    said = list(CONFIDENCE.finditer(text))
    if not said:
        return None
    value = float(said[-1]["number"]) / (100 if said[-1]["percent"] else 1)
    return value if value <= 1 else None
