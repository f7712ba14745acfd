"""What an index holds of a run is a function of its thread alone: equal threads give equal rows, in an equal order, and
what becomes of the run that a fork began from changes nothing. So a call is in the rows of the run that made it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...graphs.call_record import CallRecord
from ...graphs.faults import Fault
from ...graphs.operation import Operation
from ...graphs.turn import Turn
from ..annotation import Reward
from ..trajectories.trajectory import Trajectory

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Rows by table."""


def rows_of_run(run: Trajectory, rewards: Sequence[Reward] = ()) -> Rows:
    """The rows of one run in every table of `index_schema`; `rewards` are all that it was given, oldest first."""
    faults = list(_faults(run))
    found: Rows = {
        "runs": [_run(run, len(faults))],
        "turns": [_turn(run, one) for one in run.turns],
        "operations": [_operation(run, one) for one in run.operations],
        "calls": list(_calls(run)),
        "faults": faults,
        "rewards": list(_rewards(rewards)),
        "texts": [one for one in _texts(run, faults) if one["body"]],
    }
    key = {"thread": run.thread_id, "head": run.checkpoint_id}
    return {table: [{**key, **_storable(row)} for row in rows] for table, rows in found.items()}


def _run(run: Trajectory, faults: int) -> Row:
    origin: Mapping[str, Any] = run.origin or {}
    usage = run.usage
    return {
        "run": run.run, "task": run.task, "question": run.question, "system": run.system, "preset": run.preset,
        "status": run.status, "answer": run.answer, "turns": usage["turns"], "operations": usage["operations"],
        "calls": usage["calls"], **_usage(usage), "faults": faults, "origin_thread": origin.get("thread"),
        "origin_checkpoint": origin.get("checkpoint"), "origin_run": origin.get("run"),
        "origin_turn": origin.get("turn"), "origin_sample": origin.get("sample"), "group_name": run.group,
        "created": run.created, "updated": run.updated,
    }  # fmt: skip


def _usage(usage: Mapping[str, Any]) -> Row:
    return {
        "input_tokens": usage["input_tokens"], "output_tokens": usage["output_tokens"],
        "money": float(usage["money"]), "seconds": float(usage["seconds"]),
    }  # fmt: skip


def _turn(run: Trajectory, turn: Turn) -> Row:
    return {
        "turn": turn["turn"], "attempt": turn["attempt"], "outcome": turn["outcome"],
        "description": turn["description"], "action": _json(turn["action"]), "observation": turn["observation"],
        "faults": len(turn["faults"]), "call": turn["call"] or None, "model": turn["model"], **_usage(turn["usage"]),
        "inherited": _inherited(run, turn["turn"], turn["call"]),
    }  # fmt: skip


def _operation(run: Trajectory, one: Operation) -> Row:
    return {
        "operation": one["id"], "turn": one["turn"], "operator": one["operator"], "version": one["version"],
        "status": one["status"], "instruction": one["instruction"], "inputs": _json(one["inputs"]),
        "output": one["output"], "arguments": _json(one["arguments"]), "node": one["node"],
        "fault": one["fault"] and one["fault"]["code"], "model": one["model"], "key": one["key"],
        "calls": one["usage"]["calls"], **_usage(one["usage"]), "inherited": _inherited(run, one["turn"]),
    }  # fmt: skip


def _calls(run: Trajectory) -> Iterator[Row]:
    seen: Counter[str] = Counter()
    for one in run.own:
        yield _call(one) | {"number": seen[one["id"]]}
        seen[one["id"]] += 1


def _call(one: CallRecord) -> Row:
    kept = (
        "turn", "role", "place", "policy", "model", "version", "finish_reason", "input_tokens", "output_tokens",
        "logprobs_mode", "error", "checkpoint", "namespace", "task", "attempt",
    )  # fmt: skip
    return {
        "call": one["id"], **{name: one[name] for name in kept},  # type: ignore[literal-required]
        "estimated": int(one["estimated"]), "constrained": int(one["constrained"]),
        "incomplete": int(one["incomplete"]), "sampled_ids": len(one["token_ids"] or ()),
        "parent": one["prompt"]["parent"], "continues": int(one["prompt"]["continues"]),
        "money": None if one["money"] is None else float(one["money"]), "began": float(one["began"]),
        "seconds": float(one["seconds"]),
    }  # fmt: skip


def _faults(run: Trajectory) -> Iterator[Row]:
    """Of the designer's decisions, then of the operations, as `runner.faults_of` has them."""
    for turn in run.turns:
        for part, one in enumerate(turn["faults"]):
            row = _fault(one, _decision(turn), part, turn["turn"])
            yield row | {"inherited": _inherited(run, turn["turn"], turn["call"])}
    for operation in run.operations:
        if operation["fault"] is not None:
            row = _fault(operation["fault"], operation["id"], 0, operation["turn"])
            yield row | {"inherited": _inherited(run, operation["turn"])}


def _fault(one: Fault, place: str, part: int, turn: int) -> Row:
    return {
        "place": place, "part": part, "turn": turn, "kind": one["kind"], "code": one["code"],
        "message": one["message"], "expected": one["expected"],
    }  # fmt: skip


def _rewards(given: Sequence[Reward]) -> Iterator[Row]:
    newest = {one["name"]: one["at"] for one in given}
    for one in given:
        yield {
            "name": one["name"], "at": one["at"], "version": one["version"], "value": float(one["value"]),
            "parts": _json(one["parts"]), "by": one["by"], "latest": int(newest[one["name"]] == one["at"]),
        }  # fmt: skip


def _texts(run: Trajectory, faults: Iterable[Row]) -> Iterator[Row]:
    """Everything that people search: what was asked, planned, told, replied and complained of."""
    whole: Row = {"turn": None, "inherited": 0}
    made = {one["id"] for one in run.own}
    yield {**whole, "place": "", "kind": "question", "body": run.question}
    yield {**whole, "place": "", "kind": "answer", "body": run.answer}
    for turn in run.turns:
        where = {"turn": turn["turn"], "inherited": _inherited(run, turn["turn"], turn["call"])}
        yield {**where, "place": _decision(turn), "kind": "decision", "body": turn["description"]}
        if turn["call"] not in made:
            yield {**where, "place": f"designer {turn['attempt']}", "kind": "reply", "body": turn["reply"]}
    for operation in run.operations:
        where = {"turn": operation["turn"], "inherited": _inherited(run, operation["turn"])}
        yield {**where, "place": operation["id"], "kind": "instruction", "body": operation["instruction"]}
    for call in run.own:
        place = f"{call['role']} {call['place']}"
        yield {"turn": call["turn"], "inherited": 0, "place": place, "kind": "reply", "body": call["reply"]}
    for one in faults:
        told = {name: one[name] for name in ("turn", "place", "inherited")}
        yield {**told, "kind": "fault", "body": f"{one['code']}: {one['message']}"}


def _decision(turn: Turn) -> str:
    return f"turn {turn['turn']}.{turn['attempt']}"


def _inherited(run: Trajectory, turn: int, call: str = "") -> int:
    """Whether a record was there when the run was forked off: its turn was over, or its call is another run's."""
    if run.origin is None:
        return 0
    return int(turn < run.origin["turn"] or (call != "" and not call.startswith(f"{run.run}/")))


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _storable(row: Row) -> Row:
    """`row` with half characters, which no file of text can hold, replaced; and without NUL, which ends a text."""
    return {name: _text(value) if isinstance(value, str) else value for name, value in row.items()}


def _text(value: str) -> str:
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
