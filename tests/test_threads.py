"""A listing of threads says the same whether it asks our tables or goes through any saver's own listing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.threads import ThreadSummary, list_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint

_STEPS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "ü' --"]), st.sampled_from(["", "", "nested:1"]), st.booleans()),
    max_size=25,
)


def put(saver: BaseCheckpointSaver[Any], number: int, thread_id: str, namespace: str, stamped: bool) -> None:
    stamp = f"2026-01-01T00:00:{number:02}+00:00" if stamped else ""
    checkpoint = {**empty_checkpoint(), "id": f"{number:08}", "ts": stamp}
    where: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace}}
    saver.put(where, checkpoint, {"source": "loop", "step": number}, {})


@given(steps=_STEPS, limit=st.none() | st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_the_direct_way_agrees_with_the_general_one(steps: list[tuple[str, str, bool]], limit: int | None) -> None:
    memory = StrictMemorySaver()
    with tempfile.TemporaryDirectory() as directory, GroupCommitSaver(Path(directory) / "runs.db") as stored:
        for number, step in enumerate(steps):
            put(memory, number, *step)
            put(stored, number, *step)
        assert list_threads(stored, limit=limit) == list_threads(memory, limit=limit)
        assert len(list_threads(stored)) == len({thread_id for thread_id, namespace, _ in steps if not namespace})


def test_newest_first_with_first_and_last_times_and_none_where_unknown() -> None:
    memory = StrictMemorySaver()
    for number, (thread_id, stamped) in enumerate([("old", True), ("new", False), ("old", True), ("new", True)]):
        put(memory, number, thread_id, "", stamped)
    assert list_threads(memory) == [
        ThreadSummary("new", 2, "00000003", None, "2026-01-01T00:00:03+00:00"),
        ThreadSummary("old", 2, "00000002", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:02+00:00"),
    ]


def test_a_saver_without_runs_lists_none(tmp_path: Path) -> None:
    with GroupCommitSaver(tmp_path / "runs.db") as stored:
        assert list_threads(stored) == list_threads(StrictMemorySaver()) == []
