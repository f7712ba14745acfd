"""ATIF 1.7 (Agent Trajectory Interchange Format): one JSON document a line and run, one agent step a model call.

Steps before an agent step are the messages that its prompt adds to its parent's conversation, so nothing is told twice;
what a prompt shares is named in `extra.flowwright`. Calls before a fork are `is_copied_context`, not to be trained on
again. Token ids are written only where there are as many as log-probs, which the format's own models do not check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from ...graphs.call_record import CallRecord, Message
from ...graphs.operation import Operation
from ...graphs.prompt_delta import Spoken, restored
from ..trajectories.trajectory import TaskTree, Trajectory, group_name
from .columns import Column, Row
from .layout import Export, Layout
from .request import Request
from .text import plain

SCHEMA: Final = "ATIF-v1.7"
Step = dict[str, Any]


def columns(request: Request) -> tuple[Column, ...]:
    """The root fields of a document."""
    return (
        Column("schema_version", "text", SCHEMA),
        Column("session_id", "text", "id of the run"),
        Column("trajectory_id", "text", "thread and last checkpoint"),
        Column("agent", "messages", "system, version of Flowwright, policies by role"),
        Column("steps", "messages", "prompts' new messages and, one a model call, agent steps"),
        Column("final_metrics", "messages", "totals over all steps, copied ones included"),
        Column("extra", "messages", "`flowwright`: task, thread, origin, forks, rewards, status, answer"),
    )


def rows(tree: TaskTree, export: Export) -> Iterator[Row]:
    """One document a run, or branch of a thread of a foreign graph."""
    for run in tree.trajectories:
        if export.request.selection.admits(run):
            export.account.made += 1
            yield export.redactor.value(_document(tree, run, export))


def _document(tree: TaskTree, run: Trajectory, export: Export) -> Row:
    steps: list[Step] = []
    makers: dict[str, Step] = {}
    before: set[str] = set()
    for call, said in _told(run):
        export.ledger.read += 1
        if said is None:
            export.ledger.drop("orphan")
            continue
        if not export.request.selection.takes(call):
            export.ledger.drop("filtered")
            continue
        copied = call["run"] != run.run and run.origin is not None
        export.ledger.shared += copied
        export.ledger.trained += not copied
        new = said.messages[call["prompt"]["messages"] if call["prompt"]["parent"] in before else 0 :]
        steps += filter(None, (_context(message, makers, copied=copied) for message in plain(new)))
        steps.append(_agent_step(run, call, said, makers, export, copied=copied))
        before.add(call["id"])
    for number, step in enumerate(steps, 1):
        step["step_id"] = number
    return _root(tree, run, [{"step_id": step["step_id"], **step} for step in steps])


def _told(run: Trajectory) -> Iterator[tuple[CallRecord, Spoken | None]]:
    """Each call in full; None: what it is told relative to is not there."""
    known: dict[str, Spoken] = {}
    for call in run.calls:
        above = call["prompt"]["parent"]
        try:
            known[call["id"]] = restored(call, None if above is None else known[above])
        except (LookupError, ValueError):
            yield call, None
        else:
            yield call, known[call["id"]]


def _root(tree: TaskTree, run: Trajectory, steps: list[Step]) -> Row:
    metrics = [step["metrics"] for step in steps if "metrics" in step]
    facts = {
        "task": tree.key, "question": run.question, "thread": run.thread_id, "checkpoint": run.checkpoint_id,
        "status": run.status, "answer": run.answer, "origin": run.origin, "forks": _forks(tree, run),
        "rewards": dict(run.rewards), "group": run.group,
    }  # fmt: skip
    model = next((step["model_name"] for step in reversed(steps) if "model_name" in step), None)
    return {
        "schema_version": SCHEMA, "session_id": run.run, "trajectory_id": f"{run.thread_id}/{run.checkpoint_id}",
        "agent": _known(
            name=f"flowwright/{run.system}", version=_version(), model_name=model,
            extra={"preset": run.preset, "policies": dict(run.policies)},
        ),
        "steps": steps,
        "final_metrics": _known(
            total_prompt_tokens=sum(one["prompt_tokens"] for one in metrics),
            total_completion_tokens=sum(one["completion_tokens"] for one in metrics),
            total_cost_usd=_total([one.get("cost_usd") for one in metrics]), total_steps=len(steps),
        ),
        "extra": {"flowwright": facts},
    }  # fmt: skip


@cache
def _version() -> str:
    return version("flowwright")


def _forks(tree: TaskTree, run: Trajectory) -> list[dict[str, Any]]:
    """The runs of the tree that were forked from this one."""
    origins = [(one, one.origin) for one in tree.trajectories if one.origin is not None]
    return [
        {"trajectory_id": f"{one.thread_id}/{one.checkpoint_id}", "turn": origin["turn"], "sample": origin["sample"],
         "group": group_name(origin["thread"], origin["checkpoint"])}
        for one, origin in origins if origin["run"] == run.run
    ]  # fmt: skip


def _context(message: Message, makers: dict[str, Step], *, copied: bool) -> Step | None:
    """The step of a message that no call of the run said; None: an observation of an earlier step."""
    maker = makers.get(message.get("tool_call_id", ""))
    if maker is not None:
        result = {"source_call_id": message["tool_call_id"], "content": message["content"]}
        maker.setdefault("observation", {"results": []})["results"].append(result)
        return None
    source = {"system": "system", "assistant": "agent"}.get(message["role"], "user")
    step: Step = {"source": source, "message": message["content"]}
    if source == "agent":
        step["llm_call_count"] = 0
    return {**step, "is_copied_context": True} if copied else step


def _agent_step(
    run: Trajectory, call: CallRecord, said: Spoken, makers: dict[str, Step], export: Export, *, copied: bool
) -> Step:
    reply = plain([said.reply])[0]
    step: Step = {
        "timestamp": datetime.fromtimestamp(call["began"], UTC).isoformat(),
        "source": "agent", "message": reply["content"], "llm_call_count": 1, "metrics": _metrics(call, said, export),
        "extra": {"flowwright": _place(call)},
    }  # fmt: skip
    if call["model"]:
        step["model_name"] = call["model"]
    if copied:
        step["is_copied_context"] = True
    called = [_called(one) for one in reply.get("tool_calls", ())]
    makers |= dict.fromkeys((one["tool_call_id"] for one in called), step)
    planned = [_planned(one) for one in _operations(run, call)]
    if called or planned:
        step["tool_calls"] = [*called, *(one for one, _ in planned)]
    if planned:
        step["observation"] = {"results": [result for _, result in planned]}
    return step


_FACTS: Final = (
    "id", "run", "turn", "role", "place", "checkpoint", "namespace", "task", "attempt", "policy", "version", "sampling",
    "schema", "constrained", "incomplete", "finish_reason", "error", "seconds",
)  # fmt: skip


def _place(call: CallRecord) -> dict[str, Any]:
    facts: dict[str, Any] = dict(call)
    prompt: dict[str, Any] = dict(call["prompt"])
    told = {name: prompt[name] for name in ("parent", "messages", "tokens", "continues")}
    return {**{name: facts[name] for name in _FACTS}, "prompt": told}


def _metrics(call: CallRecord, said: Spoken, export: Export) -> dict[str, Any]:
    ids, logprobs = call["token_ids"], call["logprobs"]
    sound = ids is not None and logprobs is not None and len(ids) == len(logprobs) and not call["incomplete"]
    if ids is not None and not sound:
        export.account.withheld += 1
    return _known(
        prompt_tokens=call["input_tokens"], completion_tokens=call["output_tokens"], cost_usd=call["money"],
        prompt_token_ids=said.prompt_ids if sound else None, completion_token_ids=ids if sound else None,
        logprobs=logprobs if sound else None,
        extra={"logprobs_mode": call["logprobs_mode"], "estimated": call["estimated"]},
    )  # fmt: skip


def _called(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call of a reply. Arguments that are no JSON object are kept as text in `extra`."""
    function = call.get("function") or {}
    given = function.get("arguments")
    try:
        arguments = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        arguments = None
    told = {"tool_call_id": str(call.get("id")), "function_name": str(function.get("name"))}
    return {**told, "arguments": arguments} if isinstance(arguments, dict) else {
        **told, "arguments": {}, "extra": {"flowwright": {"malformed_arguments": str(given)}}
    }  # fmt: skip


def _operations(run: Trajectory, call: CallRecord) -> list[Operation]:
    """The operations that this decision planned."""
    turn = next((one for one in run.turns if one["call"] == call["id"]), None)
    done = {one["id"]: one for one in run.operations}
    return [done[id] for id in turn["operations"] if id in done] if turn else []


def _planned(one: Operation) -> tuple[dict[str, Any], dict[str, Any]]:
    """An operation as a tool call, and what became of it."""
    arguments: dict[str, Any] = {"instruction": one["instruction"], "inputs": one["inputs"], "output": one["output"]}
    if one["arguments"] is not None:
        arguments["arguments"] = one["arguments"]
    call = {"tool_call_id": one["id"], "function_name": one["operator"], "arguments": arguments}
    said = one["fault"]["message"] if one["fault"] else f"{one['status']}: {one['output']}"
    return call, {"source_call_id": one["id"], "content": said, "extra": {"flowwright": {"status": one["status"]}}}


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _total(values: list[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return round(sum(known), 9) if known else None


LAYOUT = Layout(columns, rows, parquet=False)
