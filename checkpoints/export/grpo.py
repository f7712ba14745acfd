"""GRPO: rows of tokens as they were read and sampled, with what TRL calls them in `rollout_func`: `prompt_ids`,
`completion_ids`, `logprobs`, `env_mask` (1: sampled, 0: put there by the runtime), and the advantage of the run in its
group. Nothing is tokenized, no text is in it, and a row whose text holds a credential is left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ...graphs.call_record import CallRecord, Message
from ...graphs.prompt_delta import Spoken, restored
from ..trajectories.rows import rows_of
from ..trajectories.text_rows import Sample
from ..trajectories.token_row import TokenRow
from ..trajectories.trajectory import TaskTree
from .columns import CALL_FIELDS, PROVENANCE, REWARD, Column, Row
from .group_advantage import FORMULA
from .groups import Standing, standings
from .layout import Export, Layout
from .redaction import Redactor
from .request import Request
from .reward import reward_of


def columns(request: Request) -> tuple[Column, ...]:
    """The columns of its files."""
    return (
        Column("prompt_ids", "integers", "tokens of the first prompt"),
        Column("completion_ids", "integers", "the rest: by turns what was sampled and what the next prompt adds"),
        Column("env_mask", "integers", "one a completion token; 1: sampled, to be trained on; 0: the runtime's"),
        Column("logprobs", "numbers", "one a completion token: natural logarithm when it was sampled; 0.0 where not"),
        Column("forced", "integers", "one a completion token; 1: sampled, but a grammar left no choice"),
        Column("advantage", "number", FORMULA),
        REWARD,
        Column("group", "text", "runs that are compared: samples of a task, or forks of a checkpoint"),
        Column("group_size", "integer", "runs of the group that have a reward"),
        *PROVENANCE,
        Column("policy", "text", "policies that were sampled, separated by commas"),
        Column("version", "text", "versions that were sampled, separated by commas; empty: unknown"),
        Column("start", "text", "why the row begins here: first, or why its first prompt does not continue another"),
        Column("weight", "number", "share of the run's weight of 1, which is split over its rows"),
        Column("sampled_tokens", "integer", "number of ones in env_mask"),
        Column("calls", "calls", f"the model calls of the row: {', '.join(CALL_FIELDS)}"),
    )


def rows(tree: TaskTree, export: Export) -> Iterator[Row]:
    """The rows of a task's runs. Raises NoTokenIds (a UsageError) for a selected call without token ids."""
    request = export.request
    ranks, groups = standings(tree, [reward_of(one, request.reward) for one in tree.trajectories])
    for group in groups:
        export.ledger.group(group)
    leaking, seen = calls_with_secrets(tree, export.redactor), set[Sample]()
    for run, rank in zip(tree.trajectories, ranks, strict=True):
        for row in rows_of(run, request.selection, export.ledger, seen=seen) if request.selection.admits(run) else ():
            yield from _checked(tree, row, rank, leaking, export)


def _checked(tree: TaskTree, row: TokenRow, rank: Standing | None, leaking: set[str], export: Export) -> Iterator[Row]:
    """The row, unless it is lost."""
    export.account.made += 1
    if rank is None:
        export.lose("no_reward", calls=len(row.spans), tokens=row.trained)
    elif any(span.call in leaking for span in row.spans):
        export.account.redacted["token_row"] += 1
        export.lose("secret", calls=len(row.spans), tokens=row.trained)
    elif not math.isfinite(sum(row.logprobs)):
        export.lose("not_finite", calls=len(row.spans), tokens=row.trained)
    else:
        yield _row(tree, row, rank)


def _row(tree: TaskTree, row: TokenRow, rank: Standing) -> Row:
    start = row.spans[0].start
    return {
        "prompt_ids": row.ids[:start], "completion_ids": row.ids[start:], "env_mask": row.sampled[start:],
        "logprobs": row.logprobs[start:], "forced": row.forced[start:], "advantage": rank.advantage,
        "reward": float(rank.reward), "group": rank.group, "group_size": rank.size, "task": tree.key,
        "system": row.system, "role": row.role, "thread": row.thread, "run": row.run,
        "policy": ",".join(dict.fromkeys(span.policy for span in row.spans)),
        "version": ",".join(dict.fromkeys(span.version for span in row.spans if span.version)),
        "start": row.start, "weight": row.weight, "sampled_tokens": row.trained,
        "calls": [
            {
                "call": span.call, "start": span.start - start, "stop": span.stop - start, "turn": span.turn,
                "place": span.place, "policy": span.policy, "version": span.version or "",
                "logprobs_mode": span.logprobs_mode or "", "constrained": int(span.constrained),
                "finish": span.finish or "", "checkpoint": span.checkpoint or "",
            }
            for span in row.spans
        ],
    }  # fmt: skip


def calls_with_secrets(tree: TaskTree, redactor: Redactor) -> set[str]:
    """Ids of the calls whose prompt or reply holds a credential. Messages that a prompt shares with its parent's are
    looked at there."""
    found: set[str] = set()
    known: dict[str, Spoken | None] = {}
    for call in (call for run in tree.trajectories for call in run.calls):
        if call["id"] in known:
            continue
        prompt, said = call["prompt"], _said(call, known)
        known[call["id"]] = said
        inherits = prompt["parent"] in found and bool(prompt["messages"] or prompt["pieces"])
        new = prompt["rest"] if said is None else said.messages[prompt["messages"] :]
        texts = (text for message in (*new, call["message"] or {}) for text in _of(message))
        if inherits or redactor.holds(call["reply"]) or any(map(redactor.holds, texts)):
            found.add(call["id"])
    return found


def _said(call: CallRecord, known: Mapping[str, Spoken | None]) -> Spoken | None:
    """The messages of a call; None: what it is told relative to is not there."""
    text = CallRecord(**{**call, "token_ids": None, "prompt": {**call["prompt"], "ids": None}})
    try:
        return restored(text, known[call["prompt"]["parent"] or ""] if call["prompt"]["parent"] else None)
    except (LookupError, ValueError):
        return None


def _of(message: Message) -> Iterator[str]:
    """Every text of a message."""
    left = [*message.values()]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value


LAYOUT = Layout(columns, rows)
