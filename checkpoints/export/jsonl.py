"""JSON Lines: one row a line in UTF-8, columns in the order of the card, the same bytes for the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from .columns import Row

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)


def encoded(row: Row) -> bytes:
    """A row as one line. Half of a surrogate pair, which UTF-8 has no bytes for, becomes a question mark."""
    return _ENCODER.encode(row).encode("utf-8", "replace") + b"\n"


class JsonlFile:
    """A file being written."""

    def __init__(self, path: Path) -> None:
        """Open `path`, replacing what is there."""
        self._file = path.open("wb", buffering=1 << 20)

    def write(self, row: Row) -> None:
        """Add a row."""
        self._file.write(encoded(row))

    def write_line(self, line: bytes) -> None:
        """Add a row that is encoded already."""
        self._file.write(line)

    def close(self) -> None:
        """Write what is left."""
        self._file.close()
