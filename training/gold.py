"""Gold answers are read from the same file as the tasks and by the same row ids, and never travel with a task: what
scores an answer is not shown to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ..errors import UsageError
from .tasks.task_file import read_rows

ANSWER_FIELDS: Final = ("answer", "gold", "ground_truth", "solution")
"""The first of these that a row has is its gold answer; of `gold` as an object, its `answer`."""


def read_gold(path: Path) -> dict[str, str]:
    """Gold answers by row id. Raises UsageError for a file that cannot be read as tasks, or in which no row has one."""
    found = {task.id: answer for task, row in read_rows(path) if (answer := _gold(row)) is not None}
    if not found:
        raise UsageError(f"no row of {path} has an answer", fix=f"Give one of {', '.join(ANSWER_FIELDS)}")
    return found


def _gold(row: dict[str, Any]) -> str | None:
    given = next((row[name] for name in ANSWER_FIELDS if row.get(name) is not None), None)
    given = given.get("answer") if isinstance(given, dict) else given
    return str(given) if isinstance(given, str | int | float) else None
