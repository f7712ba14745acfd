"""Every row that was made is written or left out for a stated reason: `made == written + sum(left_out)`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

REASONS: Final = {
    "no_reward": "its run has no such reward",
    "not_successful": "its run did not succeed",
    "rejected": "the reply was refused, and negatives are not asked for",
    "truncated": "the reply was cut at the token limit",
    "unanswered": "the call failed, and there is no reply",
    "unjudged": "nothing says whether the reply was accepted",
    "duplicate": "the same prompt and reply again",
    "outvoted": "the same prompt and reply, labelled the other way more often",
    "tied": "the same prompt and reply, labelled both ways equally often",
    "unbalanced": "more of its label than of the other one",
    "unpaired": "no better or worse reply to the same prompt",
    "secret": "its text holds a credential, and token ids cannot be redacted",
    "not_finite": "a log-probability that is no number",
}
"""What each reason means."""


def meaning_of(line: str, meaning: str) -> str:
    """The meaning of a line of a ledger, `dropped: REASON`, where the ledger itself knows none."""
    return meaning or REASONS.get(line.partition(": ")[2], "")


@dataclass
class Account:
    """Counts of one export."""

    made: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    """Rows by split."""
    labels: Counter[str] = field(default_factory=Counter)
    """Rows by split and label, `train true`; empty: the format has no labels."""
    redacted: Counter[str] = field(default_factory=Counter)
    """Credentials taken out of texts, by kind; `token_row`: rows of tokens that were left out for one."""
    withheld: int = 0
    """atif: calls whose token ids were not written, because ids and log-probs do not agree in number."""
    calls: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """Rows by system, role, policy and version."""
    runs: int = 0
    """Runs looked at that were selected."""
    reward_names: Counter[str] = field(default_factory=Counter)
    """Selected runs by the names of their rewards."""
    rewards: tuple[float, float, float, int] = (float("inf"), 0.0, float("-inf"), 0)
    """Least, sum, most and number of the rewards of the rows written."""
    latest: str = ""
    """ISO 8601, of the newest checkpoint of a selected run; empty: none says."""

    @property
    def rows(self) -> int:
        """Rows written."""
        return self.written.total()

    @property
    def unaccounted(self) -> int:
        """Rows that were made and are nowhere. 0 after a whole export."""
        return self.made - self.rows - self.left_out.total()

    def wrote(self, split: str, system: str, role: str, policy: str, version: str) -> None:
        """A row was written."""
        self.written[split] += 1
        self.calls[system, role, policy, version] += 1

    def rewarded(self, value: float) -> None:
        """The reward of a row written."""
        least, total, most, number = self.rewards
        self.rewards = (min(least, value), total + value, max(most, value), number + 1)

    def as_json(self) -> dict[str, Any]:
        """All counts, JSON-native, in a fixed order; `reasons` says what the reasons that occur mean."""
        least, total, most, number = self.rewards
        return {
            "made": self.made,
            "written": self.rows,
            "unaccounted": self.unaccounted,
            "left_out": dict(sorted(self.left_out.items())),
            "reasons": {name: meaning for name, meaning in REASONS.items() if name in self.left_out},
            "splits": dict(sorted(self.written.items())),
            "labels": dict(sorted(self.labels.items())),
            "redacted": dict(sorted(self.redacted.items())),
            "token_ids_withheld": self.withheld,
            "runs": self.runs,
            "runs_with_reward": dict(sorted(self.reward_names.items())),
            "reward": {"least": least, "mean": total / number, "most": most, "rows": number} if number else {},
        }

    def lines(self) -> list[tuple[str, int, str]]:
        """Name, count and meaning of each count that is not 0, for a table."""
        told = [("rows made", self.made, ""), ("rows written", self.rows, "")]
        told += [(f"left out: {name}", count, REASONS.get(name, "")) for name, count in sorted(self.left_out.items())]
        told += [(f"label: {name.strip()}", count, "") for name, count in sorted(self.labels.items())]
        told += [(f"redacted: {name}", count, "") for name, count in sorted(self.redacted.items())]
        told.append(("token ids withheld", self.withheld, "ids and log-probs do not agree in number"))
        return [one for one in told if one[1]]
