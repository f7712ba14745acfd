"""Every call that is read is accounted for: in a row that trains it, before a fork and trained in the row of another
run, or dropped for a stated reason.

Invariant: `read == trained + shared + sum(dropped)` and `trained == rows + merged`, after every whole trajectory.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

ForkReason = Literal["re_rendered", "rewritten", "parent_without_ids", "parent_not_in_row", "sibling", "other_role"]
DropReason = Literal["filtered", "failed", "incomplete", "no_ids", "empty", "damaged", "orphan", "before_fork"]

REASONS: Final[dict[str, str]] = {
    "re_rendered": "same conversation, other tokens: the prompt was rendered from text again",
    "rewritten": "the conversation itself changed: shortened, summarized, or put anew",
    "parent_without_ids": "the call before it has no token ids",
    "parent_not_in_row": "the call before it was dropped, or is trained in the row of another run",
    "sibling": "another call already continues the one before it",
    "other_role": "the call before it is another role's",
    "filtered": "not selected",
    "failed": "the provider never answered it",
    "incomplete": "token ids were asked for and came back missing or in numbers that do not agree",
    "no_ids": "the provider gave no token ids",
    "empty": "nothing was sampled",
    "damaged": "the record cannot be read or contradicts itself",
    "orphan": "told relative to a call that is not there, or made outside any task",
    "before_fork": "before a fork, and in no row of the run that was forked: not selected, or dropped there",
}
"""What each reason means."""


@dataclass
class Ledger:
    """Counts of one reading of a store."""

    trees: int = 0
    trajectories: int = 0
    """Selected ones."""
    unselected: int = 0
    """Runs that the selection left out; their calls are not read."""
    superseded: int = 0
    """Ends of runs that went on from before them and lost nothing: no model was found, and the run was resumed."""
    read: int = 0
    """Calls of selected runs; one before a fork counts in each run that holds it."""
    trained: int = 0
    """Calls whose completion some row is trained on."""
    rows: int = 0
    merged: int = 0
    """Calls that continue a row."""
    shared: int = 0
    """Calls before a fork, trained in another run's row."""
    forked: Counter[str] = field(default_factory=Counter)
    """Rows that began although their first call names one before it, by reason."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Calls in no row, by reason."""
    truncated: int = 0
    """Trained calls that were cut at the token limit."""
    constrained: int = 0
    """Trained calls whose sampling a grammar masked."""
    sampled_tokens: int = 0
    context_tokens: int = 0
    forced_tokens: int = 0
    """Sampled tokens that a grammar left no choice about."""
    lost_rows: Counter[str] = field(default_factory=Counter)
    """Rows that were made and then left out, by reason; their calls are in `dropped` under the same one."""
    groups: int = 0
    zero_variance: int = 0
    """Groups all of whose rewards are equal, which teach a policy gradient nothing."""
    damaged_threads: dict[str, str] = field(default_factory=dict)
    """What is wrong with threads that could not be read, by thread."""

    @property
    def unaccounted(self) -> int:
        """Calls that were read and are nowhere. 0 after whole trajectories."""
        return self.read - self.trained - self.shared - sum(self.dropped.values())

    def drop(self, reason: str, calls: int = 1) -> None:
        """Account for calls that are in no row."""
        self.dropped[reason] += calls

    def lose_row(self, reason: str, calls: int, tokens: int = 0) -> None:
        """Take a row that was made out again: `calls` is how many it trains, `tokens` how many sampled ones."""
        self.lost_rows[reason] += 1
        self.rows -= 1
        self.merged -= calls - 1
        self.trained -= calls
        self.sampled_tokens -= tokens
        self.drop(reason, calls)

    def damage(self, thread_id: str, problem: str) -> None:
        """A thread that could not be read."""
        self.damaged_threads[thread_id] = problem

    def group(self, rewards: Sequence[float]) -> None:
        """A group of rollouts that are compared with one another."""
        self.groups += 1
        self.zero_variance += len(rewards) > 0 and statistics.pvariance(rewards) == 0

    def as_json(self) -> dict[str, Any]:
        """All counts, JSON-native, in a fixed order; `reasons` says what the reasons that occur mean."""
        told = {
            name: dict(sorted(value.items())) if isinstance(value, dict) else value
            for name, value in vars(self).items()
        }
        occur = {*self.forked, *self.dropped, *self.lost_rows}
        return {**told, "unaccounted": self.unaccounted, "reasons": {k: v for k, v in REASONS.items() if k in occur}}

    def lines(self) -> list[tuple[str, int, str]]:
        """Name, count and meaning of each count that is not 0, for a table."""
        plain = ["trees", "trajectories", "unselected", "superseded", "read", "trained", "rows", "merged", "shared"]
        rest = [
            "truncated",
            "constrained",
            "sampled_tokens",
            "context_tokens",
            "forced_tokens",
            "groups",
            "zero_variance",
        ]
        told = [(name, getattr(self, name), "") for name in plain]
        for kind, counts in (("forked", self.forked), ("dropped", self.dropped), ("lost row", self.lost_rows)):
            told += [(f"{kind}: {reason}", count, REASONS.get(reason, "")) for reason, count in sorted(counts.items())]
        told += [(name, getattr(self, name), "") for name in rest]
        told += [(f"damaged: {thread}", 1, problem) for thread, problem in self.damaged_threads.items()]
        return [(name.replace("_", " "), count, meaning) for name, count, meaning in told if count]
