"""The laws of rows, checked against what was really read and sampled."""

from __future__ import annotations

from flowwright.checkpoints.trajectories.rows import TokenRow
from flowwright.graphs.call_record import CallRecord
from flowwright.graphs.prompt_delta import Spoken

Truth = dict[str, Spoken]
"""Calls as they really were, by id."""


def check(rows: list[TokenRow], truth: Truth, calls: list[CallRecord]) -> None:
    """The laws of rows."""
    by_id = {one["id"]: one for one in calls}
    for row in rows:
        assert len(row.ids) == len(row.sampled) == len(row.logprobs) == len(row.forced)
        inside = {place for span in row.spans for place in range(span.start, span.stop)}
        assert [place for place, one in enumerate(row.sampled) if one] == sorted(inside)
        assert all(row.logprobs[place] == 0.0 and not row.forced[place] for place in {*range(len(row.ids))} - inside)
        for span in row.spans:
            was, call = truth[span.call], by_id[span.call]
            assert row.ids[: span.start] == was.prompt_ids
            assert row.ids[span.start : span.stop] == was.token_ids
            assert row.logprobs[span.start : span.stop] == call["logprobs"]
            marks = [int(call["constrained"] and one == 0.0) for one in call["logprobs"] or []]
            assert row.forced[span.start : span.stop] == marks
            assert row.role == call["role"]
