"""Every draw is a pure function of its origin and its label: the same in every process, and no draw moves another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dice:
    """Draws for one reply."""

    origin: str
    """What the draws depend on: prompt and seeds."""

    def roll(self, label: str) -> float:
        """Uniform in [0, 1)."""
        drawn = hashlib.sha256(f"{self.origin}\0{label}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(drawn[:6]) / 2**48

    def happens(self, label: str, rate: float) -> bool:
        """True with probability `rate`."""
        return self.roll(label) < rate

    def pick(self, label: str, options: Sequence[T]) -> T:
        """One of `options`, all equally likely."""
        return options[int(self.roll(label) * len(options))]

    def shuffled(self, label: str, options: Sequence[T]) -> list[T]:
        """All of `options` in a random order."""
        order = sorted(range(len(options)), key=lambda position: self.roll(f"{label}/{position}"))
        return [options[position] for position in order]

    def other(self, label: str) -> Dice:
        """Independent draws, for a second thing done in the same reply."""
        return Dice(f"{self.origin}\0{label}")
