"""A candidate is proven by an executed check, or by an accepting review together with an independent attempt that came
to the same answer; by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..skills.numbers import meaning
from .view import Entry

MAJORITY: Final = 0.6
"""Share of a vote's samples from which the vote counts as agreement."""
AGAINST: Final = frozenset({"reject", "major_issues", "minor_issues"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the memory says about the candidates in it."""

    memory: Sequence[Entry]
    code: bool
    """Whether candidates are programs, as opposed to programs that check candidates."""

    @property
    def candidates(self) -> list[Entry]:
        """Entries that could be the answer, oldest first."""
        if self.code:
            return [one for one in self.memory if one.kind == "code"]
        return [one for one in self.memory if one.kind in ("answer", "vote") and one.answer is not None]

    @property
    def fruitless(self) -> int:
        """Attempts that ended without an answer."""
        return sum(1 for one in self.memory if one.kind in ("answer", "vote") and one.answer is None)

    def tests(self, candidate: Entry) -> list[Entry]:
        """Tests of the candidate, or of programs written to check it, oldest first."""
        run = {candidate.key}
        if not self.code:
            run |= {one.key for one in self.memory if one.kind == "code" and candidate.key in one.sources}
        return [one for one in self.memory if one.kind == "test" and run.intersection(one.sources)]

    def reviews(self, candidate: Entry) -> list[Entry]:
        """Reviews of this very candidate, oldest first."""
        return [one for one in self.memory if one.kind == "review" and candidate.key in one.sources]

    def tested(self, candidate: Entry) -> bool | None:
        """Outcome of the last test that asserted anything; None: there is none."""
        outcomes = [one.passed for one in self.tests(candidate) if one.passed is not None]
        return outcomes[-1] if outcomes else None

    def accepted(self, candidate: Entry) -> bool | None:
        """Whether the last review accepted the candidate; None: it was never reviewed."""
        verdicts = [one.verdict for one in self.reviews(candidate) if one.verdict is not None]
        return verdicts[-1] == "accept" if verdicts else None

    def same(self, candidate: Entry) -> list[Entry]:
        """Candidates with the same answer, itself among them."""
        return [one for one in self.candidates if meaning(one.answer) == meaning(candidate.answer)]

    def agreed(self, candidate: Entry) -> bool:
        """Whether an attempt that does not descend from it, nor it from that, came to the same answer; the samples of
        a vote are such attempts."""
        group = self.same(candidate)
        voted = any(one.support is not None and one.support >= MAJORITY for one in group)
        return voted or any(
            one is not candidate and not self._descends(one, candidate) and not self._descends(candidate, one)
            for one in group
        )

    def weight(self, candidate: Entry) -> int:
        """How much speaks for its answer: agreement, accepting and rejecting reviews, of all that share it."""
        judged = [self.accepted(one) for one in self.same(candidate)]
        return int(self.agreed(candidate)) + judged.count(True) - judged.count(False)

    def leader(self) -> Entry | None:
        """The candidate whose answer has most for it, the latest of equals; None: there is no candidate."""
        ranked = [(self.weight(one), place) for place, one in enumerate(self.candidates)]
        return self.candidates[max(ranked)[1]] if ranked else None

    def proven(self, *, executed: bool) -> Entry | None:
        """A candidate that may be claimed; None: none. `executed`: nothing but a test counts."""
        for one in reversed(self.candidates):
            if self.tested(one) and (not self.code or self.accepted(one)):
                return one
        return None if executed or self.code else self._convincing()

    def _convincing(self) -> Entry | None:
        leader = self.leader()
        if leader is None or not self.agreed(leader):
            return None
        group = self.same(leader)
        rivals = [self.weight(one) for one in self.candidates if one not in group]
        if max(rivals, default=-1) >= self.weight(leader) or self.weight(leader) < 2:
            return None
        return next((one for one in reversed(group) if self.accepted(one) and self.tested(one) is not False), None)

    def _descends(self, entry: Entry, ancestor: Entry) -> bool:
        known = {one.key: one for one in self.memory}
        waiting, seen = list(entry.sources), set[str]()
        while waiting:
            key = waiting.pop()
            if key == ancestor.key:
                return True
            if key in known and key not in seen:
                seen.add(key)
                waiting += known[key].sources
        return False
