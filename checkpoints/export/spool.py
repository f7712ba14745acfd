"""Rows wait here until all are known: then each is written once, with the label that most of its copies have, in a
seeded random order, and balanced where that is asked for.

Rows of one run come one after another and their prompts resemble each other; a trainer that reads a file in order
(TRL's KTO does, and compares neighbours) needs them mixed. Rows lie in a file, their places in a SQLite table on disk,
so that memory does not grow with them. The first row written is one with tool calls, if there is one: readers that
judge a file by its beginning then know of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .columns import Row
from .jsonl import encoded

_TABLE: Final = """
CREATE TABLE places (
    split TEXT, digest BLOB, label INTEGER, copies INTEGER, rank BLOB, rich INTEGER, start INTEGER, length INTEGER,
    facts TEXT, PRIMARY KEY (split, digest, label)
) WITHOUT ROWID
"""
_ADD: Final = """
INSERT INTO places VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET copies = copies + 1 RETURNING copies
"""
_CHOSEN: Final = """
CREATE TABLE chosen AS
SELECT a.split, a.label, a.rich, a.rank, a.start, a.length, a.facts,
       row_number() OVER (PARTITION BY a.split, a.label ORDER BY a.rank) AS number
FROM places a LEFT JOIN places b ON b.split = a.split AND b.digest = a.digest AND b.label = 1 - a.label
WHERE a.copies > COALESCE(b.copies, 0)
"""
_LOST: Final = """
SELECT a.copies = b.copies, COUNT(*) FROM places a
JOIN places b ON b.split = a.split AND b.digest = a.digest AND b.label = 0 AND a.label = 1
GROUP BY 1
"""


@dataclass(frozen=True)
class Kept:
    """A row that is to be written."""

    split: str
    label: bool
    line: bytes
    """Encoded by `jsonl.encoded`."""
    facts: list[str | float]
    """What was added with it."""


class Spool:
    """Rows by split on disk."""

    def __init__(self, folder: Path, key: Sequence[str], seed: int) -> None:
        """`folder` exists and is empty; `key` names the columns that tell one row from another."""
        self._key = key
        self._seed = str(seed).encode()
        self._index = sqlite3.connect(folder / "places", isolation_level=None)
        self._index.execute("PRAGMA journal_mode = OFF")
        self._index.execute("PRAGMA synchronous = OFF")
        self._index.execute(_TABLE)
        self._index.execute("BEGIN")
        self._rows = (folder / "rows").open("w+b", buffering=1 << 20)
        self._end = 0

    def add(self, split: str, row: Row, facts: Sequence[str | float]) -> bool:
        """Keep a row; whether it is new."""
        identity = encoded({name: row[name] for name in self._key})
        digest = hashlib.sha256(identity).digest()[:16]
        rank = hashlib.sha256(self._seed + digest).digest()[:8]
        line = encoded(row)
        label, rich = int(row.get("label", True)), int(b'"tool_calls":' in identity)
        place = (split, digest, label, rank, rich, self._end, len(line), json.dumps(facts))
        ((copies,),) = self._index.execute(_ADD, place).fetchall()
        if copies == 1:
            self._rows.write(line)
            self._end += len(line)
        return bool(copies == 1)

    def kept(self, lose: Callable[[str, int], None], *, balanced: bool) -> Iterator[Kept]:
        """The rows to write, split by split. `lose` is told why and how many others are not."""
        self._index.execute(_CHOSEN)
        for tied, number in self._index.execute(_LOST).fetchall():
            # Of two rows with the same words the one with fewer copies is left out; of a tie, both.
            lose("tied" if tied else "outvoted", 2 * number if tied else number)
        self._rows.flush()
        for (split,) in self._index.execute("SELECT DISTINCT split FROM chosen ORDER BY split").fetchall():
            yield from self._of(split, lose, balanced=balanced)

    def _of(self, split: str, lose: Callable[[str, int], None], *, balanced: bool) -> Iterator[Kept]:
        counts = dict(self._index.execute("SELECT label, COUNT(*) FROM chosen WHERE split = ? GROUP BY 1", (split,)))
        most = min(counts.get(0, 0), counts.get(1, 0)) if balanced else max(counts.values())
        if over := sum(max(0, count - most) for count in counts.values()):
            lose("unbalanced", over)
        found = self._index.execute(
            "SELECT label, start, length, facts FROM chosen WHERE split = ?1 AND number <= ?2 ORDER BY "
            "rank != (SELECT MIN(rank) FROM chosen WHERE split = ?1 AND number <= ?2 AND rich), rank",
            (split, most),
        )
        for label, start, length, facts in found:
            line = os.pread(self._rows.fileno(), length, start)  # what a buffered file reads around a place is in vain
            yield Kept(split, bool(label), line, json.loads(facts))

    def close(self) -> None:
        """Forget all rows; the folder is the caller's to delete."""
        self._rows.close()
        self._index.close()
