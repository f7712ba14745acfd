"""A thread of a graph that is not ours becomes one trajectory a branch, with every call that the branch rests on.

Invariants: a call that was repeated, or whose step the branch went on without, is in no trajectory, and is read with
`set_aside`; each prompt of a trajectory is told relative to a call of the same trajectory, token for token what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from ...graphs.budget import Usage, no_usage, spend
from ...graphs.call_record import CallRecord
from ...graphs.prompt_delta import spoken_of, told
from ...graphs.state import Origin
from ...graphs.tool_record import ToolRecord
from ..trajectories.trajectory import Trajectory
from .foreign_thread import Fate, ForeignThread, Step

_ON_BRANCH = ("live", "pending")


def foreign_trajectories(saver: BaseCheckpointSaver[Any], thread_id: str) -> Iterator[Trajectory]:
    """The branches of a thread in order of creation. What its graph asked and answered only its own state says."""
    thread = ForeignThread.read(saver, thread_id)
    records = {call["id"]: call for step in thread.steps.values() for call in step.calls}
    for leaf in thread.leaves():
        yield _trajectory(thread, thread_id, thread.line(leaf), records)


def set_aside(saver: BaseCheckpointSaver[Any], thread_id: str) -> list[tuple[CallRecord, Fate]]:
    """The calls that no branch rests on, oldest first, with the reason."""
    thread = ForeignThread.read(saver, thread_id)
    fates: dict[str, Fate] = {}
    calls: dict[str, CallRecord] = {}
    for leaf in thread.leaves():
        for _, call, fate in thread.fates(thread.line(leaf)):
            calls[call["id"]] = call
            if fates.get(call["id"]) not in _ON_BRANCH:
                fates[call["id"]] = fate
    kept = [(call, fates[id]) for id, call in calls.items() if fates[id] not in _ON_BRANCH]
    return sorted(kept, key=lambda one: one[0]["at"])


def _trajectory(
    thread: ForeignThread, thread_id: str, line: Sequence[Step], records: Mapping[str, CallRecord]
) -> Trajectory:
    leaf, forked = line[-1], _fork(thread, line)
    run = forked.id if forked else thread_id
    calls = [(step, call) for step, call, fate in thread.fates(line) if fate in _ON_BRANCH]
    since = line.index(forked) if forked else 0
    own = {step.id for step in line[since:]}
    retold = _retold([call for _, call in calls], records)
    return Trajectory(
        thread_id=thread_id, checkpoint_id=leaf.id, run=run, task=None, question=None, system="foreign", preset="",
        status="running" if leaf.open else "finished", answer=None, evidence=None,
        usage=_usage(call for _, call in calls), policies={},
        origin=_origin(thread, thread_id, line, forked) if forked else None,
        calls=[
            {**call, "run": run} if step.id in own else call for (step, _), call in zip(calls, retold, strict=True)
        ],
        turns=[], operations=[], tools=[*_tools(thread, line)], rewards=leaf.rewards, created=line[0].stamp,
        updated=leaf.stamp,
    )  # fmt: skip


def _fork(thread: ForeignThread, line: Sequence[Step]) -> Step | None:
    """The last step of a line at which it left another one; None: it is what the thread began with."""
    return next((step for step in reversed(line) if step in _forks(thread, step)), None)


def _forks(thread: ForeignThread, step: Step) -> Sequence[Step]:
    """Of the steps that follow on the one before `step` those that left its line: all but the one that a run went on
    with, or, where none did, the first."""
    return thread.after.get(step.parent or "", ())[1:]


def _origin(thread: ForeignThread, thread_id: str, line: Sequence[Step], forked: Step) -> Origin:
    before = line[: line.index(forked)]
    earlier = _fork(thread, before) if before else None
    return Origin(
        thread=thread_id, checkpoint=str(forked.parent), run=earlier.id if earlier else thread_id,
        turn=forked.number, sample=_forks(thread, forked).index(forked) + 1,
    )  # fmt: skip


def _tools(thread: ForeignThread, line: Sequence[Step]) -> Iterator[ToolRecord]:
    """Those of a branch's steps; of a task that ran again only its last run of each call."""
    for step, after in zip(line, [*line[1:], None], strict=True):
        if after is None or after.source == "loop":
            last = {(one["namespace"], one["call"] or one["id"]): one for one in step.tools}
            yield from last.values()


def _retold(calls: Sequence[CallRecord], records: Mapping[str, CallRecord]) -> Iterator[CallRecord]:
    """The calls, those of them told anew that are told relative to a call of another branch."""
    kept: dict[str, CallRecord] = {}
    definitions = {
        one["digest"]: one["definition"] for call in records.values() for one in _defined(call) if "definition" in one
    }
    for call in calls:
        parent = call["prompt"]["parent"]
        if parent is not None and parent not in kept:
            call = _told_anew(call, kept, records, definitions)
        kept[call["id"]] = call
        yield call


def _told_anew(
    call: CallRecord, kept: Mapping[str, CallRecord], records: Mapping[str, CallRecord], definitions: Mapping[str, Any]
) -> CallRecord:
    above = call["prompt"]["parent"]
    while above is not None and above not in kept:
        if above not in records:
            return call  # deleted with its step: who reads the prompt is told so
        above = records[above]["prompt"]["parent"]
    try:
        whole = spoken_of(call, records)
        parent = spoken_of(records[above], records) if above else None
    except ValueError:
        return call
    sent = None if call["sent"] is None else {
        name: {**one, "definition": definitions[one["digest"]]}
        if isinstance(one, dict) and one.get("digest") in definitions else one
        for name, one in call["sent"].items()
    }  # fmt: skip
    return {**call, "prompt": told(whole.messages, whole.prompt_ids, parent), "sent": sent}


def _defined(call: CallRecord) -> list[dict[str, Any]]:
    return [one for one in (call["sent"] or {}).values() if isinstance(one, dict) and "digest" in one]


def _usage(calls: Iterator[CallRecord]) -> Usage:
    usage = no_usage()
    for call in calls:
        spent = {"input_tokens": call["input_tokens"], "output_tokens": call["output_tokens"], "calls": 1}
        cost = {"unpriced": 1} if call["money"] is None else {"money": call["money"]}
        usage = spend(usage, {**spent, **cost, "seconds": call["seconds"]})
    return usage
