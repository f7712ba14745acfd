"""A turn of a run has one decision point: the oldest checkpoint of the run's line from which its designer decides it
for the first time. A checkpoint that decides nothing is never taken for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ...errors import UsageError
from ...graphs.state import Run
from ..runner import thread_config

DECIDES: Final = "branch:to:designer"
"""Channel that holds something where the designer is next."""


def decision_of(saver: BaseCheckpointSaver[Any], thread_id: str, at: int | str) -> CheckpointTuple:
    """The checkpoint from which turn `at` of the thread's last run is decided, or the one with that id. Raises
    UsageError."""
    last, run = last_of(saver, thread_id)
    if isinstance(at, str):
        found = saver.get_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": at}})
        if found is None or not decides(found):
            what = "has no checkpoint" if found is None else "decides nothing at checkpoint"
            raise UsageError(f"thread {thread_id!r} {what} {at!r}", fix="Name a turn by its number")
        return found
    turns: dict[int, CheckpointTuple] = {}
    for one in line_of(saver, last, run["id"]):
        if decides(one) and (there := run_of(one)) is not None:
            turns[there["turn"]] = (
                one  # the oldest: repairs come later, and so does the copy of it in a run taken up from here
            )
    if at not in turns:
        fix = f"Its last run decides {_spans(sorted(turns))}" if turns else "It has not decided anything yet"
        raise UsageError(f"thread {thread_id!r} has no turn {at}", fix=fix)
    return turns[at]


def last_of(saver: BaseCheckpointSaver[Any], thread_id: str) -> tuple[CheckpointTuple, Run]:
    """A thread's last checkpoint and its run. Raises UsageError where there is no thread or it is no run of ours."""
    last = saver.get_tuple(thread_config(thread_id))
    if last is None:
        raise UsageError(f"there is no thread {thread_id!r}", fix="`flowwright runs` lists the threads")
    run = run_of(last)
    if run is None:
        raise UsageError(f"thread {thread_id!r} is not a run of Flowwright", fix="Fork it with LangGraph's time travel")
    return last, run


def line_of(saver: BaseCheckpointSaver[Any], last: CheckpointTuple, run: str) -> Iterator[CheckpointTuple]:
    """The checkpoints of one run, from `last` back."""
    one: CheckpointTuple | None = last
    while one is not None and (there := run_of(one)) is not None and there["id"] == run:
        yield one
        one = None if one.parent_config is None else saver.get_tuple(one.parent_config)


def run_of(one: CheckpointTuple) -> Run | None:
    """The run that a checkpoint belongs to; None: it is no run of ours, or has not begun."""
    found = one.checkpoint["channel_values"].get("run")
    return cast(Run, found) if isinstance(found, dict) and "preset" in found else None


def decides(one: CheckpointTuple) -> bool:
    """Whether the designer is next."""
    return DECIDES in one.checkpoint["channel_values"] and run_of(one) is not None


def _spans(turns: list[int]) -> str:
    if len(turns) == 1:
        return f"turn {turns[0]} alone"
    whole = turns == [*range(turns[0], turns[-1] + 1)]
    return f"turns {turns[0]} to {turns[-1]}" if whole else f"turns {', '.join(map(str, turns))}"
