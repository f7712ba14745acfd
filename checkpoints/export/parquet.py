"""Parquet by row groups of a bounded size: memory does not grow with the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...errors import UsageError
from .columns import Column, Row, arrow_schema

_ROWS: Final = 4096
_WEIGHT: Final = 1 << 20
"""Characters and list items that a row group has at most, and one row more."""


def check_pyarrow() -> None:
    """Raises UsageError where pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "Parquet files need pyarrow", fix='pip install "flowwright[export]", or name a .jsonl file'
        ) from error


class ParquetFile:
    """A file being written."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        """Open `path`, replacing what is there."""
        import pyarrow.parquet as pq

        self._schema = arrow_schema(columns)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Row] = []
        self._weight = 0

    def write(self, row: Row) -> None:
        """Add a row."""
        self._rows.append(row)
        self._weight += sum(len(value) for value in row.values() if isinstance(value, str | list))
        self._weight += sum(len(one["content"]) for name in row for one in _messages(row[name]))
        if len(self._rows) >= _ROWS or self._weight >= _WEIGHT:
            self._flush()

    def write_line(self, line: bytes) -> None:
        """Add a row that is encoded as JSON."""
        self.write(json.loads(line))

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._weight = [], 0


def _messages(value: object) -> list[Row]:
    return value if isinstance(value, list) and value and isinstance(value[0], dict) and "content" in value[0] else []
