"""What an export came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..trajectories.ledger import Ledger
from .account import Account


@dataclass(frozen=True)
class Exported:
    """Files and counts of one export."""

    format: str
    paths: dict[str, Path]
    """By split (`""`: there is none); a split without rows has no file."""
    rows: dict[str, int]
    """By split, those without rows included."""
    hashes: dict[str, str]
    """SHA-256 of each data file, by its name."""
    card: Path
    ledger_path: Path
    ledger: Ledger
    """What became of the calls that were read."""
    account: Account
    """What became of the rows that were made of them."""

    def as_json(self) -> dict[str, Any]:
        """The whole as one JSON object."""
        return {
            "format": self.format,
            "paths": {split: str(path) for split, path in self.paths.items()},
            "rows": self.rows, "hashes": self.hashes, "card": str(self.card), "ledger": str(self.ledger_path),
            "calls": self.ledger.as_json(), "accounts": self.account.as_json(),
        }  # fmt: skip
