"""The seven criteria by which the field rates what an agent framework keeps of a run, as checks of one trajectory. Each
raises AssertionError with what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema
from flowwright.checkpoints.trajectories.trajectory import Trajectory
from flowwright.digest import digest
from flowwright.graphs.call_record import CallRecord
from flowwright.graphs.tool_record import ToolRecord
from typing_extensions import get_type_hints


def has_call_schema(run: Trajectory) -> None:
    """1. Every call says what was sent and what came, in one shape; a tool that is called was offered, and its
    arguments fit what was offered."""
    assert run.calls, "no calls"
    fields = get_type_hints(CallRecord).keys()
    for call in run.calls:
        assert call.keys() == fields, call.keys() ^ fields
        assert json.loads(json.dumps(call)) == call
        assert call["model"], f"{call['id']}: which model?"
        assert call["sent"], f"{call['id']}: what was sent?"
        for asked in tool_calls(call):
            offered = {one["function"]["name"]: one["function"]["parameters"] for one in tools_offered(run, call)}
            assert asked["function"]["name"] in offered, f"{asked} was not offered"
            jsonschema.validate(json.loads(asked["function"]["arguments"]), offered[asked["function"]["name"]])


def has_token_counts(run: Trajectory) -> None:
    """2. Prompt and completion are there in tokens, with a log-prob each, as many as the server counted."""
    for call in run.calls:
        whole = run.spoken(call["id"])
        assert whole.prompt_ids is not None, f"{call['id']}: no prompt ids"
        assert call["token_ids"], f"{call['id']}: no completion ids"
        assert not call["incomplete"], call["id"]
        assert not call["estimated"], call["id"]
        assert (len(whole.prompt_ids), len(call["token_ids"])) == (call["input_tokens"], call["output_tokens"])
        assert len(call["logprobs"] or []) == len(call["token_ids"])


def has_identity_per_turn(run: Trajectory) -> None:
    """3. Every call says who made it, where in the graph, in which branch, from which checkpoint, in which attempt."""
    ids = [call["id"] for call in run.calls]
    assert len({*ids}) == len(ids)
    for call in run.calls:
        assert all(call[name] for name in ("run", "role", "place", "policy", "namespace", "task", "checkpoint")), call  # type: ignore[literal-required]
        assert call["attempt"] >= 1
        assert call["namespace"].endswith(str(call["task"]))
        assert call["namespace"].split("|")[-1].partition(":")[0] == call["role"]
    assert [call["at"] for call in run.calls] == sorted(call["at"] for call in run.calls)


def has_reconstructable_history(run: Trajectory) -> None:
    """4. Each prompt can be told again, message for message: its digest is that of the body that was sent."""
    for call in run.calls:
        whole = run.spoken(call["id"])
        sent: dict[str, Any] = (call["sent"] or {})["messages"]
        assert len(whole.messages) == sent["count"], call["id"]
        assert digest(whole.messages) == sent["digest"], call["id"]


def has_tool_timing(run: Trajectory) -> None:
    """5. Each tool call has one run of a tool, that began after the model had spoken and ended before it was asked
    again."""
    asked = [(call, one) for call in run.calls for one in tool_calls(call)]
    assert asked, "no tool was called"
    for call, one in asked:
        ran = timed(run, one["id"])
        assert ran["tool"] == one["function"]["name"]
        assert ran["seconds"] > 0
        assert ran["began"] >= call["began"] + call["seconds"] - 1e-3  # two clocks
        after = [other for other in run.calls if _level(other) == _level(call) and other["began"] > call["began"]]
        assert all(ran["began"] + ran["seconds"] <= other["began"] + 1e-3 for other in after[:1])
    assert len(run.tools) == len(asked)


def has_parallel_tool_timing(run: Trajectory) -> None:
    """6. Tools that one reply called together have times of their own, which overlap where they ran at once."""
    groups = [[timed(run, one["id"]) for one in tool_calls(call)] for call in run.calls if len(tool_calls(call)) > 1]
    assert groups, "no tools were called together"
    for group in groups:
        assert len({(one["began"], one["seconds"]) for one in group}) == len(group)
        assert max(one["began"] for one in group) < min(one["began"] + one["seconds"] for one in group)


def serves_tool_servers_and_sandboxes(run: Trajectory, of_server: str, of_sandbox: str) -> None:
    """7. Tools of a server and code in a sandbox are recorded alike: timed, joined to their call, their result in the
    history."""
    for name in (of_server, of_sandbox):
        ran = [one for one in run.tools if one["tool"] == name]
        assert ran, f"{name} did not run"
        for one in ran:
            assert one["error"] is None
            assert one["call"], f"{name} was not joined to a call"
            assert any(told.get("tool_call_id") == one["call"] for told in _history(run)), one


def tool_calls(call: CallRecord) -> list[dict[str, Any]]:
    """What a reply calls."""
    return list((call["message"] or {}).get("tool_calls", ()))


def tools_offered(run: Trajectory, call: CallRecord) -> Sequence[dict[str, Any]]:
    """The tools that a call was sent with: told where they were new."""
    wanted = (call["sent"] or {})["tools"]["digest"]
    told = [(one["sent"] or {}).get("tools", {}) for one in run.calls]
    found: list[dict[str, Any]] = next(
        one["definition"] for one in told if one.get("digest") == wanted and "definition" in one
    )
    return found


def timed(run: Trajectory, call: str) -> ToolRecord:
    """The run of a tool call."""
    found = [one for one in run.tools if one["call"] == call]
    assert len(found) == 1, f"{call} has {len(found)} runs"
    return found[0]


def _level(call: CallRecord) -> str:
    return call["namespace"].rpartition("|")[0]


def _history(run: Trajectory) -> Iterator[dict[str, Any]]:
    for call in run.calls:
        yield from run.spoken(call["id"]).messages
