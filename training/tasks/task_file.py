"""A task file is read row by row; the first row that cannot be used is named by its line, and none is skipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import UsageError

QUESTION_FIELDS: Final = ("query", "question", "prompt", "problem")
"""The first of these that holds a text is the question."""
ID_FIELDS: Final = ("id", "pid", "task_id", "idx")


@dataclass(frozen=True)
class TaskRow:
    """One row of a task file."""

    id: str
    """From the row's `id`, `pid`, `task_id` or `idx`; else its number in the file, from 0."""
    question: str


def read_task_file(path: Path, limit: int | None = None) -> list[TaskRow]:
    """The rows of a JSON list or a JSON Lines file, gzipped or not; the first `limit` of them (None: all). Raises
    UsageError naming the file and the line or row."""
    return [task for task, _ in read_rows(path, limit)]


def read_rows(path: Path, limit: int | None = None) -> list[tuple[TaskRow, dict[str, Any]]]:
    """As `read_task_file`, each task with the whole row that it is from: what scores it may stand there."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"cannot read the task file {path}: {reason}", fix="give a JSON or JSONL file") from error
    rows = []
    for number, (where, row) in enumerate(_rows(path, text)):
        if limit is not None and number >= limit:
            break
        rows.append((_task_row(f"{path}, {where}", number, row), row))
    if not rows:
        raise UsageError(f"the task file {path} holds no tasks", fix="give rows with a question")
    return rows


def _rows(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    if text.lstrip().startswith("["):
        try:
            yield from ((f"row {number}", row) for number, row in enumerate(json.loads(text), start=1))
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except json.JSONDecodeError as error:
                raise UsageError(f"{path}, line {number}: not JSON ({error.msg})") from error


def _task_row(where: str, number: int, row: Any) -> TaskRow:
    if not isinstance(row, dict):
        raise UsageError(f"{where}: a task is a JSON object, not {type(row).__name__}")
    question = next((row[name] for name in QUESTION_FIELDS if _is_text(row.get(name))), None)
    if question is None:
        raise UsageError(f"{where}: no question", fix=f"give one of {', '.join(QUESTION_FIELDS)} as a text")
    id = next((row[name] for name in ID_FIELDS if row.get(name) is not None), number)
    return TaskRow(id=str(id), question=question)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
