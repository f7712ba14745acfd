"""What was sampled is trained as it was sampled, once; every call that was read is accounted for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.rows import NoTokenIds, rows_of, sample_of, text_rows, tree_rows
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.checkpoints.trajectories.token_row import prompt_ids
from flowwright.checkpoints.trajectories.trajectory import TaskTree, Trajectory
from flowwright.graphs.budget import no_usage
from flowwright.graphs.call_record import CallRecord
from flowwright.graphs.prompt_delta import Spoken
from flowwright.graphs.state import Origin
from hypothesis import given, settings
from hypothesis import strategies as st
from row_laws import Truth, check
from written_runs import chain, record, turn_of


def trajectory(calls: list[CallRecord], run: str = "r", origin: Origin | None = None, **given: Any) -> Trajectory:
    made = Trajectory(
        thread_id=f"thread of {run}", checkpoint_id="c", run=run, task="t", question="q", system="flowsteer",
        preset="default", status="finished", answer="a", evidence=None, usage=no_usage(), policies={}, origin=origin,
        calls=calls, turns=[turn_of(one) for one in calls if one["role"] == "designer"], operations=[],
    )  # fmt: skip
    return replace(made, **given)


_WAYS = st.sampled_from(["continue", "continue", "continue", "rerender", "rewrite", "alone", "unknown"])
_CALLS = st.lists(
    st.tuples(
        st.sampled_from(["designer", "executor"]), _WAYS, st.integers(0, 4), st.lists(st.integers(0, 9), max_size=4),
        st.booleans(),
    ),
    max_size=14,
)  # fmt: skip


def spoken_run(drawn: list[Any], run: str = "r") -> tuple[list[CallRecord], Truth]:
    """Calls of all kinds, told relative to a call some places back, and what they really were."""
    calls: list[CallRecord] = []
    truth: Truth = {}
    for turn, (role, way, back, sampled, constrained) in enumerate(drawn, start=1):
        parent = truth[calls[-1 - back]["id"]] if len(calls) > back and way != "alone" else None
        before = parent.conversation if parent else []
        new = [{"role": "user", "content": f"{way} {turn}"}]
        prompt = [*before[:1], *new] if way == "rewrite" else [*before, *new]
        tokens = (parent.tokens or [7]) if parent else []
        ids = [*(tokens if way == "continue" else [*tokens[:-1], 99] if way == "rerender" else tokens[:2]), 100 + turn]
        known = way != "unknown"
        call, said = record(
            run, turn, prompt, ids if known else None, f"r{turn}", sampled if known else None, parent,
            role=role, constrained=constrained,
        )  # fmt: skip
        if constrained and call["logprobs"]:
            call["logprobs"][0] = 0.0
        calls.append(call)
        truth[call["id"]] = said
    return calls, truth


@given(drawn=_CALLS)
@settings(max_examples=300, deadline=None)
def test_rows_hold_exactly_what_was_read_and_sampled_and_the_ledger_adds_up(drawn: list[Any]) -> None:
    calls, truth = spoken_run(drawn)
    ledger = Ledger()
    rows = list(rows_of(trajectory(calls), ledger=ledger, missing="drop"))
    check(rows, truth, calls)
    trained = [span.call for row in rows for span in row.spans]
    assert len(trained) == len({*trained})
    usable = [one["id"] for one in calls if one["token_ids"] and truth[one["id"]].prompt_ids is not None]
    assert sorted(trained) == sorted(usable)
    assert ledger.unaccounted == 0
    assert ledger.read == len(calls)
    assert ledger.trained == len(trained) == ledger.rows + ledger.merged
    assert ledger.rows == len(rows)
    assert ledger.sampled_tokens == sum(row.trained for row in rows)
    assert ledger.context_tokens + ledger.sampled_tokens == sum(len(row.ids) for row in rows)
    assert sum(ledger.forked.values()) == sum(row.start != "first" for row in rows)
    assert math.isclose(sum(row.weight for row in rows), 1.0 if rows else 0.0)


@given(drawn=_CALLS, role=st.sampled_from(["designer", "executor"]))
@settings(max_examples=100, deadline=None)
def test_a_filter_leaves_out_calls_and_counts_them(drawn: list[Any], role: str) -> None:
    calls, truth = spoken_run(drawn)
    ledger = Ledger()
    rows = list(rows_of(trajectory(calls), Selection(roles=(role,)), ledger, missing="drop"))
    check(rows, truth, calls)
    assert {row.role for row in rows} <= {role}
    assert ledger.dropped["filtered"] == sum(one["role"] != role for one in calls)
    assert ledger.unaccounted == 0


@given(drawn=_CALLS, later=_CALLS, at=st.integers(0, 14), repeated=st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_call_is_in_the_loss_of_two_runs_of_a_tree(
    drawn: list[Any], later: list[Any], at: int, repeated: bool
) -> None:
    calls, truth = spoken_run(drawn)
    at = min(at, len(calls))
    more, added = spoken_run([*drawn[:at], *later], run="fork")
    truth = {**truth, **added}
    origin = Origin(thread="thread of r", checkpoint="c", run="r", turn=at + 1, sample=1)
    old = {one["id"].replace("fork", "r", 1): one["id"] for one in more[:at]}
    renamed = [told_of(one, {new: old for old, new in old.items()}) for one in more[at:]]
    fork = trajectory([*calls[:at], *renamed], "fork", origin)
    again = trajectory([*calls[:at]], "r", checkpoint_id="d")  # the same run seen from an earlier branch
    tree = TaskTree("t", [trajectory(calls), fork, *([again] if repeated else [])])
    ledger = Ledger()
    rows = list(tree_rows(tree, ledger=ledger, missing="drop"))
    trained = Counter(span.call for row in rows for span in row.spans)
    assert set(trained.values()) <= {1}
    check(rows, truth, [*calls, *renamed])
    assert ledger.unaccounted == 0
    assert ledger.read == len(calls) + len(fork.calls) + len(again.calls) * repeated
    usable = [one for one in (*calls, *renamed) if one["token_ids"]]
    assert sum(trained.values()) == len(usable)
    assert not [row for row in rows if row.run == "fork" and {span.call for span in row.spans} & {*old}]


def told_of(call: CallRecord, names: dict[str, str]) -> CallRecord:
    parent = call["prompt"]["parent"]
    return {**call, "prompt": {**call["prompt"], "parent": names.get(parent or "", parent)}}


def test_a_linear_run_of_any_length_is_one_row() -> None:
    for turns in (1, 2, 40):
        ledger = Ledger()
        (row,) = rows_of(trajectory(chain("r", turns)), ledger=ledger)
        assert len(row.spans) == turns
        assert (ledger.rows, ledger.merged, dict(ledger.forked)) == (1, turns - 1, {})


def test_each_kind_of_break_is_told_apart() -> None:
    first, was = record("r", 1, [{"role": "user", "content": "a"}], [1, 2], "x", [3, 4])
    whole = [*was.conversation, {"role": "user", "content": "b"}]
    rerendered, _ = record("r", 2, whole, [1, 2, 3, 9, 5], "y", [6], was)
    rewritten, _ = record("r", 3, [{"role": "user", "content": "c"}], [1, 7], "z", [8], was)
    silent, silence = record("r", 4, whole, None, "s", None, was)
    after, _ = record("r", 5, [*silence.conversation, {"role": "user", "content": "d"}], [1, 2, 3], "u", [1], silence)
    one, _ = record("r", 6, whole, [1, 2, 3, 4, 5], "v", [6], was)
    two, _ = record("r", 7, whole, [1, 2, 3, 4, 5], "w", [7], was)
    other, _ = record("r", 8, whole, [1, 2, 3, 4, 5], "w", [7], was, role="executor")
    ledger = Ledger()
    calls = [first, rerendered, rewritten, silent, after, one, two, other]
    rows = list(rows_of(trajectory(calls), ledger=ledger, missing="drop"))
    told = ["first", "re_rendered", "rewritten", "parent_without_ids", "sibling", "other_role"]
    assert [row.start for row in rows] == told
    assert dict(ledger.forked) == dict.fromkeys(told[1:], 1)
    assert dict(ledger.dropped) == {"no_ids": 1}
    assert [span.call for span in rows[0].spans] == [first["id"], one["id"]]


def test_a_call_without_ids_is_refused_before_any_row_and_is_fine_as_text() -> None:
    calls = chain("r", 2)
    silent, _ = record("r", 3, [{"role": "user", "content": "?"}], None, "hello", None, policy="openai:gpt")
    run = trajectory([*calls, silent])
    with pytest.raises(NoTokenIds, match=r"call r/3/designer/0/0\.0 of openai:gpt has no token ids\. Select "):
        next(rows_of(run))
    assert len(list(rows_of(run, Selection(policies=("vllm:tiny",))))) == 1
    assert [row.completion["content"] for row in text_rows(run)][-1] == "hello"


@pytest.mark.parametrize(
    ("change", "dropped", "spans"),
    [
        ({"incomplete": True}, {"incomplete": 1}, [1, 1]),
        ({"logprobs": [-1.0]}, {"damaged": 1}, [1, 1]),
        ({"logprobs": [-1.0, math.nan]}, {"damaged": 1}, [1, 1]),
        ({"token_ids": [], "logprobs": []}, {"empty": 1, "damaged": 1}, [1]),  # the next one contradicts it
    ],
)
def test_a_record_that_cannot_be_trained_is_dropped_and_its_successor_begins_anew(
    change: Any, dropped: dict[str, int], spans: list[int]
) -> None:
    calls = chain("r", 3)
    calls[1] = {**calls[1], **change}
    ledger = Ledger()
    rows = list(rows_of(trajectory(calls), ledger=ledger))
    assert dict(ledger.dropped) == dropped
    assert [len(row.spans) for row in rows] == spans
    assert ledger.unaccounted == 0


def test_a_prompt_told_relative_to_a_call_that_is_not_there_is_an_orphan() -> None:
    ledger = Ledger()
    run = trajectory(chain("r", 3)[1:])
    assert list(rows_of(run, ledger=ledger)) == []
    assert list(text_rows(run, ledger=ledger)) == []
    assert ledger.dropped["orphan"] == 4
    assert ledger.unaccounted == 0


def test_calls_that_are_told_relative_to_each_other_end_in_the_ledger() -> None:
    calls = chain("r", 2)
    calls[0] = {**calls[0], "prompt": {**calls[0]["prompt"], "parent": calls[1]["id"], "tokens": 1}}
    ledger = Ledger()
    list(rows_of(trajectory(calls), ledger=ledger))
    assert ledger.unaccounted == 0
    with pytest.raises(ValueError, match="not there"):
        prompt_ids(calls[0], {one["id"]: one for one in calls})


def test_the_shared_past_of_a_fork_whose_source_is_not_selected_is_context_only() -> None:
    calls = chain("r", 3)
    fork = trajectory(
        [*calls[:2], *forked(calls[:2])], "fork", Origin(thread="x", checkpoint="c", run="r", turn=3, sample=1)
    )
    ledger = Ledger()
    (row,) = tree_rows(TaskTree("t", [fork]), ledger=ledger)
    assert row.start == "parent_not_in_row"
    assert [span.call for span in row.spans] == ["fork/3/designer/0/0.0", "fork/4/designer/0/0.0"]
    assert dict(ledger.dropped) == {"before_fork": 2}
    alone = Ledger()
    assert list(rows_of(fork, ledger=alone)) == [row]
    assert alone.shared == 2


def forked(before: list[CallRecord]) -> list[CallRecord]:
    said: Spoken | None = None
    for one in before:
        said = trajectory(before).spoken(one["id"])
    return chain("fork", 2, start=len(before) + 1, parent=said, salt=50)


def test_two_samples_under_one_id_are_two_samples() -> None:
    """A run that was taken back to an earlier checkpoint by LangGraph's time travel decides the same turn again."""
    calls = chain("r", 3)
    again = {**calls[2], "reply": "otherwise", "token_ids": [8, 8], "began": 99.0}
    tree = TaskTree("t", [trajectory(calls), trajectory([*calls[:2], again], checkpoint_id="d")])
    ledger = Ledger()
    rows = list(tree_rows(tree, ledger=ledger))
    assert [len(row.spans) for row in rows] == [3, 1]
    assert rows[1].ids[-2:] == [8, 8]
    assert (ledger.trained, ledger.shared) == (4, 2)
    assert len({sample_of(one) for one in (*calls, again)}) == 4


def test_rows_of_text_say_what_became_of_each_call() -> None:
    calls = chain("r", 3)
    turns = [turn_of(calls[0]), turn_of(calls[1], "refused"), turn_of(calls[2], "finish")]
    turns[1]["faults"] = [{"kind": "policy", "code": "cycle", "message": "a cycle", "expected": "none"}]
    turns[1]["observation"] = ""
    run = trajectory(calls, turns=turns, rewards={"exact": 1.0})
    ledger = Ledger()
    rows = list(text_rows(run, ledger=ledger))
    assert [(row.status, row.label) for row in rows] == [("plan", True), ("refused", False), ("finish", True)]
    assert [row.feedback for row in rows] == [["seen 1"], ["a cycle"], ["seen 3"]]
    assert [len(row.messages) for row in rows] == [1, 3, 5]
    assert all(row.messages == run.spoken(row.call).messages for row in rows)
    assert rows[0].rewards == {"exact": 1.0}
    assert (ledger.read, ledger.trained, ledger.unaccounted) == (3, 3, 0)


def test_rows_that_are_left_out_later_stay_in_the_ledger() -> None:
    ledger = Ledger()
    (row,) = rows_of(trajectory(chain("r", 3)), ledger=ledger)
    ledger.lose_row("too_long", len(row.spans), row.trained)
    ledger.group([1.0, 1.0])
    ledger.group([1.0, 0.0])
    ledger.group([])
    told = ledger.as_json()
    assert (told["rows"], told["merged"], told["trained"], told["unaccounted"]) == (0, 0, 0, 0)
    assert (told["dropped"], told["lost_rows"]) == ({"too_long": 3}, {"too_long": 1})
    assert (told["groups"], told["zero_variance"]) == (3, 1)
    assert ("dropped: too long", 3, "") in ledger.lines()


def _names() -> Iterator[str]:
    yield from vars(Ledger())


def test_the_ledger_shows_what_it_counts() -> None:
    assert {*Ledger().as_json()} == {*_names(), "unaccounted", "reasons"}
    assert Ledger().lines() == []
