"""A judge's verdict is the last one it gives: a token quoted while reasoning decides nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ...operators.normal_form import same_answer

VERDICT: Final = re.compile(r"\[\[\s*(true|false)\s*\]\]", re.IGNORECASE)


def read_verdict(reply: str) -> bool | None:
    """The last `[[True]]` or `[[False]]` of a judge's reply; None: it gives none."""
    found = VERDICT.findall(reply)
    return found[-1].lower() == "true" if found else None


def equivalent(candidate: str, reference: str, judge: Callable[[str, str], str]) -> bool:
    """Whether two final answers are the same: exactly, else in the opinion of `judge`, which is given candidate and
    reference in this order and is asked only when exact comparison says no. A reply without a verdict counts as no."""
    return same_answer(candidate, reference) or read_verdict(judge(candidate, reference)) is True
