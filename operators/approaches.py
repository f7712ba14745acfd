"""Several approaches in one reply are several votes: the result most of them reach wins, whatever the reply claims at
its end, and a claim that lost is reported."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from .answers import final_answer
from .election import Election, TieBreak
from .normal_form import same_answer
from .outcome import Outcome

HEADING: Final = re.compile(
    r"^(?:[^\w\n]|_)*(?:(?:approach|solution|method|attempt)[ \t]+(?:\d+|[A-Z])"
    r"|(?P<end>final[ \t]+(?:code|program)))\b.*$",
    re.IGNORECASE | re.MULTILINE,
)
RESULT: Final = re.compile(r"^(?:[^\w\n]|_)*result[ \t*_]*[:=][ \t*_]*(?P<said>\S.*)$", re.IGNORECASE | re.MULTILINE)


def read_approaches(text: str) -> Outcome:
    """The vote over the approaches of one reply. A tie goes to the approach that agrees with the reply's own final
    answer (`tie_break` `model`), else to the one that came first. A reply without headings is one approach."""
    parts = sections(text)
    results = [_result(part) if RESULT.search(text) else final_answer(part) for part in parts]
    claimed = final_answer(text)
    attempts = [Outcome(kind="vote", content=part, answer=result) for part, result in zip(parts, results, strict=True)]
    election = Election.of([*attempts], noun="approaches")
    winner, tie_break = _winner(election.candidates(), results, claimed)
    answer = results[winner] or claimed
    lost = answer is not None and claimed is not None and not same_answer(answer, claimed)
    ending = f"\n\nAnswer: {answer}" if lost else ""
    return Outcome(
        kind="vote",
        content=f"{election.line(winner, tie_break)}\n\n{text}{ending}",
        answer=answer,
        data={**election.data(winner, tie_break), "claimed": claimed},
    )


def sections(text: str) -> list[str]:
    """The approaches in `text`, each with its heading; the whole text where there are no headings."""
    headings = list(HEADING.finditer(text))
    starts = [*(heading.start() for heading in headings), len(text)]
    found = [text[start:end].strip() for start, end in pairwise(starts)]
    return [part for part, heading in zip(found, headings, strict=True) if not heading["end"]] or [text]


def _result(part: str) -> str | None:
    said = [found["said"].strip("*_ \t") for found in RESULT.finditer(part)]
    return (said[-1] or None) if said else None


def _winner(candidates: list[int], results: list[str | None], claimed: str | None) -> tuple[int, TieBreak | None]:
    if len(candidates) == 1:
        return candidates[0], None
    for number in candidates:
        result = results[number]
        if claimed is not None and result is not None and same_answer(result, claimed):
            return number, "model"
    return candidates[0], "first"
