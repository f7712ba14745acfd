"""DPO: two replies to one and the same prompt of which one is better, in TRL's explicit-prompt preference form.

A reply that was accepted is better than one that was refused; of two that were accepted, the one whose run has the
higher reward. Prompts are the same when all their messages are, so a repair, whose prompt quotes what was refused,
pairs only with replies to that very prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...digest import digest
from ..trajectories.trajectory import TaskTree
from .columns import ORIGIN, PROMPT, Column, Row
from .layout import Export, Layout
from .request import Request
from .text import Judged, judged, plain

_SHARED = ("task", "system", "role")
_OWN = ("thread", "run", "turn", "call", "policy", "version", "status", "faults")
"""Columns that both replies have, under `chosen_` and `rejected_`."""


def columns(request: Request) -> tuple[Column, ...]:
    """The columns of its files."""
    known = {column.name: column for column in ORIGIN}
    return (
        PROMPT,
        Column("chosen", "messages", "the better reply, as a list of one message"),
        Column("rejected", "messages", "the worse reply, as a list of one message"),
        *(known[name] for name in _SHARED),
        Column("reason", "text", "refused: the worse one was refused; reward: its run has a lower reward"),
        Column("margin", "number", "difference of the rewards of the two runs; 0 where one has none"),
        *(
            Column(f"{side}_{name}", known[name].kind, f"of the {side} reply: {known[name].meaning}")
            for side in ("chosen", "rejected")
            for name in _OWN
        ),
    )


def rows(tree: TaskTree, export: Export) -> Iterator[Row]:
    """Each reply that has a better one to its prompt, paired with one of the best."""
    prompts: dict[str, list[Judged]] = {}
    for one in judged(tree, export):
        if one.refused and not export.request.negatives:
            export.ledger.lose_row("rejected", 1)
            continue
        key = digest([one.row.system, one.row.role, plain(one.row.messages)])
        prompts.setdefault(key, []).append(one)
    for replies in prompts.values():
        yield from _pairs(replies, export)


def _pairs(replies: Sequence[Judged], export: Export) -> Iterator[Row]:
    """Every reply that is worse than another is `rejected` once; the best ones take turns as `chosen`."""
    distinct = _distinct(replies, export)
    best = [one for one in distinct if not any(_better(other, one) for other in distinct)]
    paired: set[int] = set()
    for number, worse in enumerate(one for one in distinct if any(_better(other, one) for other in best)):
        able = [one for one in best if _better(one, worse)]
        better = able[number % len(able)]
        paired |= {id(better), id(worse)}
        export.account.made += 1
        yield export.redactor.value(_row(better, worse))
    for one in distinct:
        if id(one) not in paired:
            export.ledger.lose_row("unpaired", 1)


def _distinct(replies: Sequence[Judged], export: Export) -> list[Judged]:
    """Replies with the same words are one: the first of the best."""
    found: dict[str, Judged] = {}
    for one in replies:
        words = digest(plain([one.row.completion]))
        if words in found:
            export.ledger.lose_row("duplicate", 1)
        if words not in found or _better(one, found[words]):
            found[words] = one
    return [*found.values()]


def _better(one: Judged, other: Judged) -> bool:
    """Whether the first reply is better than the second for a reason that can be told."""
    if one.refused or other.refused:
        return other.refused and one.accepted is True
    return one.reward is not None and other.reward is not None and one.reward > other.reward


def _row(better: Judged, worse: Judged) -> Row:
    known = better.reward is not None and worse.reward is not None
    row: dict[str, Any] = {
        "prompt": plain(better.row.messages),
        "chosen": plain([better.row.completion]),
        "rejected": plain([worse.row.completion]),
        **{name: better.origin[name] for name in _SHARED},
        "reason": "refused" if worse.refused else "reward",
        "margin": float((better.reward or 0.0) - (worse.reward or 0.0)) if known else 0.0,
    }
    for side, one in (("chosen", better), ("rejected", worse)):
        row |= {f"{side}_{name}": one.origin[name] for name in _OWN}
    return row


LAYOUT = Layout(columns, rows, key=("prompt", "chosen", "rejected"))
