"""Files appear under their names whole, together and last: what is interrupted before leaves none of them behind.

Until then they lie in a folder of their own beside the place where they will be, which is removed whatever happens (a
killed process leaves it, and it is named so that nobody takes it for data).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ...errors import UsageError
from .request import unknown
from .split import WHOLE

SUFFIXES: Final = (".jsonl", ".parquet")


class Files:
    """The files of one export."""

    def __init__(self, out: Path, splits: Iterable[str], *, overwrite: bool) -> None:
        """Raises UsageError for an unknown suffix, a missing directory, and files that are there already."""
        if out.suffix not in SUFFIXES:
            raise unknown("file type", out.suffix or out.name, SUFFIXES)
        if not out.parent.is_dir():
            raise UsageError(f"there is no directory {out.parent}", fix="Create it first")
        self.out = out
        self.card, self.ledger = out.with_suffix(".card.md"), out.with_suffix(".ledger.json")
        self._splits = {split: self.path(split) for split in splits}
        taken = [path for path in (*self._splits.values(), self.card, self.ledger) if path.exists()]
        if taken and not overwrite:
            raise UsageError(f"{taken[0]} exists already", fix="Name another file, or allow it with --overwrite")
        if any(path.is_dir() for path in taken):
            raise UsageError(f"{taken[0]} is a directory", fix="Name a file")

    def path(self, split: str) -> Path:
        """The file of a split."""
        return self.out if split == WHOLE else self.out.with_suffix(f".{split}{self.out.suffix}")

    def __enter__(self) -> Self:
        """Make the folder."""
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=f".{self.out.name}.unfinished-", dir=self.out.parent))
        except OSError as error:
            raise UsageError(
                f"{self.out.parent} cannot be written to ({error.strerror})", fix="Name another"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder and what is left in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def unfinished(self, path: Path) -> Path:
        """Where a file lies until all are whole."""
        return self.folder / path.name

    def publish(self, paths: Iterable[Path]) -> None:
        """Give the files their names; those of an earlier export that this one has no rows for go."""
        paths = [*paths]
        for path in paths:
            with self.unfinished(path).open("rb") as file:
                os.fsync(file.fileno())
        for path in self._splits.values():
            if path not in paths:
                path.unlink(missing_ok=True)
        for path in paths:
            self.unfinished(path).replace(path)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
