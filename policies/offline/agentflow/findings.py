"""A result is settled by an executed check of it, or by another result that came to the same in another way; by nothing
else, whoever asks: planner, verifier and the author of the answer read the memory alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ..job import code_in
from ..skills import Problem
from ..skills.functions import implementation
from ..skills.numbers import meaning
from .call import EXECUTING, VOTING, Call

ONLY_CHECKED: Final = frozenset({"game24", "functions"})
"""Families whose results may differ and be right, so that agreement says nothing and only a check does."""
LEAD: Final = 2
"""Results for an answer, beyond those for any rival, that settle it without a check."""
TRIES: Final = 3
"""Checks of one result that may fail to run before it is left alone."""


@dataclass(frozen=True)
class Findings:
    """What the calls so far say about one problem."""

    problem: Problem
    calls: Sequence[Call]

    @cached_property
    def results(self) -> list[Call]:
        """Calls that came to an answer of the question, oldest first."""
        made = [one for one in self.calls if one.ok and one.checks is None]
        return [one for one in made if self.answer(one) is not None]

    @property
    def fruitless(self) -> int:
        """Calls that worked on the question and came to no answer."""
        return sum(1 for one in self.calls if one.ok and one.checks is None and self.answer(one) is None)

    def answer(self, call: Call) -> str | None:
        """The answer of a call in the form the question asks for; None: it has none. A program is taken from the whole
        result, because an answer in the memory may be cut."""
        if self.problem.family == "functions":
            code = code_in(call.result)
            return None if code is None else implementation(code)
        return None if call.answer is None else self.problem.in_form(call.answer)

    def held(self, call: Call) -> bool | None:
        """What the last check that ran said of a result, or of another one with the same answer; None: no check ran."""
        answer = self.meaning(call)
        same = {one.key for one in self.results if self.meaning(one) == answer}
        said = [one.holds for one in self.calls if one.checks in same and one.holds is not None]
        return said[-1] if said else None

    def meaning(self, call: Call) -> object:
        """What two results are compared by."""
        return meaning(self.answer(call))

    @property
    def open(self) -> list[Call]:
        """Results that no check has run for yet, one for each answer, the latest first."""
        asked = [one.checks for one in self.calls]
        waiting = [one for one in self.results if self.held(one) is None and asked.count(one.key) < TRIES]
        return [*reversed({self.meaning(one): one for one in waiting}.values())]

    @cached_property
    def groups(self) -> list[list[Call]]:
        """Results that were not refuted, those that agree together, the largest group last."""
        found: defaultdict[object, list[Call]] = defaultdict(list)
        for one in self.results:
            if self.held(one) is not False:
                found[self.meaning(one)].append(one)
        return sorted(found.values(), key=len)

    @property
    def settled(self) -> Call | None:
        """The result that may be claimed; None: there is none."""
        checked = [one for one in self.results if self.held(one)]
        if checked or self.problem.family in ONLY_CHECKED or not self.groups:
            return checked[-1] if checked else None
        group = self.groups[-1]
        rivals = [len(one) for one in self.groups[:-1]]
        tools = {one.tool for one in group}
        backed = len(tools) > 1 and bool(tools & (EXECUTING | VOTING))
        lead = len(group) - max(rivals, default=0)
        return group[-1] if backed and lead >= LEAD else None

    @property
    def best(self) -> Call | None:
        """The result with most for it; None: there is none that was not refuted."""
        if self.settled is not None or not self.groups:
            return self.settled
        most = [group for group in self.groups if len(group) == len(self.groups[-1])]
        computed = [one for group in most for one in group if one.tool in EXECUTING]
        return (computed or most[-1])[-1]

    def reason(self, call: Call) -> str:
        """What speaks for a settled result."""
        check = next((one.key for one in reversed(self.calls) if one.checks == call.key and one.holds), None)
        if check is not None:
            return f"{check}: an executed check of {call.key} passed"
        agreeing = next(group for group in self.groups if call in group)
        return f"{' and '.join(one.key for one in agreeing)} agree, by {' and '.join(one.tool for one in agreeing)}"
