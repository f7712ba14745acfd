"""Supervised fine-tuning: replies worth imitating, in TRL's conversational prompt-completion form.

A reply is worth imitating when it is whole, the runtime accepted it (or nothing reads it) and, where success is asked
for, its run succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..trajectories.trajectory import TaskTree
from .columns import COMPLETION, ORIGIN, PROMPT, REWARD, Column, Row
from .layout import Export, Layout
from .request import Request
from .text import judged, plain


def columns(request: Request) -> tuple[Column, ...]:
    """The columns of its files."""
    return (PROMPT, COMPLETION, *ORIGIN, *((REWARD,) if request.judged else ()))


def rows(tree: TaskTree, export: Export) -> Iterator[Row]:
    """One row a reply."""
    for one in judged(tree, export):
        export.account.made += 1
        if one.accepted is False:
            export.lose("rejected")
        elif one.row.finish == "length":
            export.lose("truncated")
        elif export.request.judged and one.reward is None:
            export.lose("no_reward")
        elif export.request.judged and one.reward is not None and one.reward < export.request.success_at:
            export.lose("not_successful")
        else:
            row = {"prompt": plain(one.row.messages), "completion": plain([one.row.completion]), **one.origin}
            yield export.redactor.value({**row, "reward": one.reward} if export.request.judged else row)


LAYOUT = Layout(columns, rows, key=("prompt", "completion"))
