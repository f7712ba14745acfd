"""Votes are counted, never estimated: one vote per answer that was given, equal answers under one normal form, and a
tie is called a tie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .normal_form import normal_forms


@dataclass(frozen=True)
class Tally:
    """The count over one list of answers."""

    ballots: tuple[str | None, ...]
    """Normal form of each answer, in order; None: an abstention."""
    votes: dict[str, int]
    """Votes by normal form, most first, first come first among equals."""

    @classmethod
    def of(cls, answers: Sequence[str | None]) -> Tally:
        """Count `answers`; None is an abstention."""
        forms = iter(normal_forms([answer for answer in answers if answer is not None]))
        ballots = tuple(None if answer is None else next(forms) for answer in answers)
        return cls(ballots, dict(Counter(form for form in ballots if form is not None).most_common()))

    @property
    def leaders(self) -> list[str]:
        """The forms with the most votes: none if all abstained, several if they are tied."""
        most = max(self.votes.values(), default=0)
        return [form for form, votes in self.votes.items() if votes == most]

    @property
    def margin(self) -> int:
        """Votes by which the first form leads the second; 0 for a tie or no votes."""
        first, second, *_ = (*self.votes.values(), 0, 0)
        return first - second

    def voters(self, form: str) -> list[int]:
        """Positions of the answers with this form."""
        return [position for position, ballot in enumerate(self.ballots) if ballot == form]
