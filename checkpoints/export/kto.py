"""KTO: replies with one bit each, in TRL's unpaired preference form.

The bit is the run's success where that is asked for, else whether the runtime accepted the reply; a reply that it
refused or could not read is bad whatever its run came to, one whose tool failed is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..trajectories.trajectory import TaskTree
from .columns import COMPLETION, ORIGIN, PROMPT, REWARD, Column, Row
from .layout import Export, Layout
from .request import Request
from .text import Judged, judged, plain

LABEL = Column("label", "flag", "true: a good reply; false: a bad one")


def columns(request: Request) -> tuple[Column, ...]:
    """The columns of its files."""
    return (PROMPT, COMPLETION, LABEL, *ORIGIN, *((REWARD,) if request.judged else ()))


def rows(tree: TaskTree, export: Export) -> Iterator[Row]:
    """One row a reply that something judges."""
    for one in judged(tree, export):
        export.account.made += 1
        if one.refused and not export.request.negatives:
            export.lose("rejected")
        elif export.request.judged and one.reward is None:
            export.lose("no_reward")
        elif (label := label_of(one, export.request)) is None:
            export.lose("unjudged")
        else:
            row = {"prompt": plain(one.row.messages), "completion": plain([one.row.completion]), "label": label}
            row |= {**one.origin, "reward": one.reward} if export.request.judged else one.origin
            yield export.redactor.value(row)


def label_of(one: Judged, request: Request) -> bool | None:
    """Whether a reply is good; None: nothing says so."""
    if one.refused:
        return False
    if not request.judged:
        return True if one.accepted else None
    return None if one.reward is None else one.reward >= request.success_at


LAYOUT = Layout(columns, rows, key=("prompt", "completion"))
