"""Every way in which the offline models err, and how often, stands in this one table."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...errors import UsageError

RATES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "answer.arithmetic.easy": 0.10,
        "answer.arithmetic.hard": 0.25,
        "answer.equations.easy": 0.12,
        "answer.equations.hard": 0.30,
        "answer.game24.easy": 0.20,
        "answer.game24.hard": 0.40,
        "answer.statistics.easy": 0.10,
        "answer.statistics.hard": 0.25,
        "answer.functions.easy": 0.20,
        "answer.functions.hard": 0.40,
        "answer.word_problems.easy": 0.12,
        "answer.word_problems.hard": 0.30,
        "refine.answer": 0.10,
        "refine.code": 0.15,
        "review.false_accept": 0.10,
        "review.false_reject": 0.08,
        "verify.slip": 0.10,
        "check.crash": 0.05,
        "choice.wrong": 0.10,
        "call.arguments": 0.03,
        "call.slip": 0.12,
        "call.crash": 0.05,
        "verdict.doubt": 0.10,
        "design.malformed_json": 0.03,
        "design.unknown_key": 0.03,
        "design.unknown_operator": 0.02,
    }
)
"""Probability of each error, by name. `answer.*` also covers code written as an answer; `docs/offline.md` explains
every line."""

NO_ERRORS: Final[Mapping[str, float]] = MappingProxyType(dict.fromkeys(RATES, 0.0))
"""Models that never err."""

PLAN_RELIEF: Final = 0.5
"""An answer written from a plan or a decomposition errs this many times as often as one written without."""


def rates_with(changes: Mapping[str, float] | None) -> Mapping[str, float]:
    """The table with some rates changed; None: as documented. Raises UsageError for a name that is not in it, or a
    rate outside [0, 1]."""
    for name, rate in (changes or {}).items():
        if name not in RATES:
            near = difflib.get_close_matches(name, RATES, n=1)
            raise UsageError(f"unknown error rate {name!r}", fix=f"did you mean {(near or sorted(RATES))[0]!r}?")
        if not 0 <= rate <= 1:
            raise UsageError(f"error rate {name!r} is {rate}", fix="give a probability from 0 to 1")
    return MappingProxyType({**RATES, **(changes or {})})
