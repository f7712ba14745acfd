"""A task lies in one split whole: the split is a function of the task's key and the seed and of nothing else, so forks
and samples of a task never straddle two, and a later export of more tasks moves none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ...digest import digest
from ...errors import UsageError

WHOLE = ""
"""Name of the only split where none is asked for."""
REST = "train"
_DIGITS = 13
"""Hexadecimal digits of a hash that a float holds exactly."""


@dataclass(frozen=True)
class Split:
    """Shares of tasks by name; the rest is `train`."""

    shares: tuple[tuple[str, float], ...] = ()
    """Empty: one file, no split."""
    seed: int = 0

    @classmethod
    def parsed(cls, given: Iterable[str], seed: int) -> Self:
        """The split of `NAME=SHARE` texts. Raises UsageError for another form and for shares that leave nothing."""
        shares: dict[str, float] = {}
        for text in given:
            name, _, share = text.partition("=")
            try:
                value = float(share)
            except ValueError:
                value = 0.0
            if not name.isidentifier() or name in (REST, *shares) or not 0 < value < 1:
                raise UsageError(f"{text!r} is no split", fix="Write NAME=SHARE, each name once, for instance test=0.1")
            shares[name] = value
        if sum(shares.values()) >= 1:
            raise UsageError("the splits leave nothing to train on", fix="Give shares that add up to less than 1")
        return cls(tuple(shares.items()), seed)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all splits, in the order in which they are told."""
        return (REST, *(name for name, _ in self.shares)) if self.shares else (WHOLE,)

    def of(self, task: str) -> str:
        """The split of a task."""
        if not self.shares:
            return WHOLE
        place, reached = int(digest([self.seed, task], _DIGITS), 16) / 16**_DIGITS, 0.0
        for name, share in self.shares:
            reached += share
            if place < reached:
                return name
        return REST

    def as_json(self) -> dict[str, float]:
        """Shares by name, the rest included."""
        rest = 1 - sum(share for _, share in self.shares)
        return {REST: round(rest, 9), **dict(self.shares)} if self.shares else {}
