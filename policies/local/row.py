"""A row of a batch is one reply in the making. Its randomness is its own: the n-th uniform number of
its seed decides its n-th token, so that neither its neighbours nor a pause can change what it draws."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from .request import Request, Sampled

BLOCK: Final = 64
"""Uniform numbers drawn at once. Part of what a seed means: another block size gives other tokens."""


class Dice:
    """The uniform numbers of a seed."""

    def __init__(self, seed: int) -> None:
        """`seed` is any whole number; torch takes it modulo 2**64."""
        import torch

        self._generator = torch.Generator().manual_seed(seed % 2**64)
        self._rolled: list[float] = []

    def __getitem__(self, number: int) -> float:
        """In [0, 1)."""
        import torch

        while len(self._rolled) <= number:
            self._rolled += torch.rand(BLOCK, generator=self._generator, dtype=torch.float64).tolist()
        return self._rolled[number]


@dataclass(eq=False)
class Row:
    """One reply in the making."""

    number: int
    """In the order of arrival."""
    request: Request
    reply: Future[Sampled]
    prompt: list[int]
    limit: int
    """Completion tokens at most."""
    seed: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The dice are made of the seed."""
        self.dice = Dice(self.seed)

    @property
    def ids(self) -> list[int]:
        """All tokens so far."""
        return [*self.prompt, *self.tokens]

    def __len__(self) -> int:
        """All tokens so far."""
        return len(self.prompt) + len(self.tokens)

    @property
    def uniform(self) -> float:
        """The number that decides the next token."""
        return self.dice[len(self.tokens)]

    def add(self, token: int, logprob: float) -> None:
        """The next token."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
