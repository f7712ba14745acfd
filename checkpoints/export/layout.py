"""A layout says what the rows of a format are and what each column of them means; how they get into a file is no
concern of its."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..trajectories.ledger import Ledger
from ..trajectories.trajectory import TaskTree
from .account import Account
from .columns import Column, Row
from .redaction import Redactor
from .request import Request


@dataclass(frozen=True)
class Export:
    """One export under way: what is asked, and what is counted."""

    request: Request
    ledger: Ledger
    account: Account
    redactor: Redactor

    def lose(self, reason: str, *, calls: int = 1, tokens: int = 0) -> None:
        """Account for a row that was made and is not written; `calls` and `tokens`: what it would have trained."""
        self.account.left_out[reason] += 1
        self.ledger.lose_row(reason, calls, tokens)

    def lose_made(self, reason: str, number: int = 1) -> None:
        """The same for a number of rows of text; pairs are not in the ledger, which counts calls."""
        self.account.left_out[reason] += number
        for _ in range(number if self.request.format != "dpo" else 0):
            self.ledger.lose_row(reason, 1)


@dataclass(frozen=True)
class Layout:
    """One format."""

    columns: Callable[[Request], tuple[Column, ...]]
    rows: Callable[[TaskTree, Export], Iterator[Row]]
    """The rows of all selected runs of a task, cleaned and counted as made."""
    key: tuple[str, ...] = ()
    """Columns that make a row the same as another one: each is written once, and rows are written in a seeded random
    order. Empty: rows are written as they come."""
    parquet: bool = True
    """Whether its columns have fixed types."""
