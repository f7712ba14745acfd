"""What flows through a canvas is typed: the candidates that are up for the answer, and the notes about them.

Laws, for a flow F = (candidates, notes) of memory keys; `walk` and a compiled canvas both keep them by this module.

- Operator. Its outcome, under key k, makes of F: (k; no notes) if it is an answer, code or a vote, because notes are
  about the candidates before it; else (candidates; notes + k), so that plans, reviews, tests, texts and tool results
  let the candidates through.
- Sequence. Each node takes the flow that the one before it left.
- Parallel. Every branch takes F. Afterwards the candidates are the new ones of all branches, in branch order, or those
  of F where no branch made one; the notes are those of all branches, in branch order, each once.
- Conditional. The condition runs on F and its outcome joins the flow; the predicate on that outcome chooses the branch,
  which goes on from there. Where the condition is an executed test and the branch left other candidates, the test is
  run once more, on those: what leaves a tested conditional was tested as it is.
- Loop. The body runs `times` times, each pass on what the pass before left, and ends early after the pass whose last
  outcome the `until` predicate holds of.
- End. The last candidate is the result, whatever made it and whatever was noted after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...operators.outcome import OutcomeKind
from ..evidence import CANDIDATES


@dataclass(frozen=True)
class Flow:
    """Memory keys, in the order in which the next operator is shown them."""

    candidates: tuple[str, ...] = ()
    """Answers, programs and votes that are up for the result."""
    notes: tuple[str, ...] = ()
    """What is known beside them: plans, reviews, tests, texts, tool results."""

    @property
    def result(self) -> str | None:
        """The last candidate; None: nothing has made one."""
        return self.candidates[-1] if self.candidates else None

    def after(self, key: str, kind: OutcomeKind | str) -> Flow:
        """The flow that an outcome of this kind, under this key, leaves."""
        if kind in CANDIDATES:
            return Flow((key,))
        return Flow(self.candidates, (*self.notes, key))


@dataclass(frozen=True)
class Point:
    """How far a canvas has come."""

    flow: Flow = Flow()
    last: str | None = None
    """Memory key of the last outcome: what a predicate on a pass is asked of; None: nothing has run."""

    def after(self, key: str, kind: OutcomeKind | str) -> Point:
        """The point behind an operator."""
        return Point(self.flow.after(key, kind), key)

    def joined(self, branches: Sequence[Point]) -> Point:
        """The point behind branches that all started from this one."""
        flows = [branch.flow for branch in branches]
        made = [key for flow in flows if flow.candidates != self.flow.candidates for key in flow.candidates]
        notes = dict.fromkeys(key for flow in flows for key in flow.notes)
        return Point(Flow(tuple(made) or self.flow.candidates, tuple(notes)), branches[-1].last)

    def remade(self, checked: Point) -> bool:
        """Whether the candidates are others than those that were checked at `checked`."""
        return self.flow.candidates != checked.flow.candidates


def node_path(id: str, passes: Sequence[int], *, again: bool = False) -> str:
    """Name of one application of the operator node `id`: `node_4`, in the second pass of a loop `node_4#2`, in the
    first pass of a loop inside that `node_4#2.1`. `again`: the second run of a condition that is a test."""
    within = [*map(str, passes), *(["again"] if again else [])]
    return f"{id}#{'.'.join(within)}" if within else id
