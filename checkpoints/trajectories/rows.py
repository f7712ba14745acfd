"""A row is a chain of calls in which every prompt begins with all tokens of the one before: what was sampled is trained
as it was sampled, once, and nothing is ever tokenized again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ...graphs.call_record import CallRecord
from .ledger import Ledger
from .selection import EVERYTHING, Selection
from .text_rows import Sample, sample_of
from .text_rows import TextRow as TextRow
from .text_rows import text_rows as text_rows
from .token_row import NoTokenIds, Span, TokenRow, prompt_ids
from .trajectory import TaskTree, Trajectory

Missing = Literal["refuse", "drop"]


def rows_of(
    trajectory: Trajectory,
    selection: Selection = EVERYTHING,
    ledger: Ledger | None = None,
    *,
    missing: Missing = "refuse",
    seen: set[Sample] | None = None,
) -> Iterator[TokenRow]:
    """The rows of one run, in the order in which they begin. Calls before its fork are context only. `missing` says
    what becomes of a selected call without token ids; `seen` holds the calls that other rows of the tree are trained
    on, and gets those of this run (None: the run is read by itself). Raises NoTokenIds before it yields anything."""
    cut = _Cut(trajectory, ledger or Ledger(), missing)
    own = {one["id"] for one in trajectory.own}
    for call in trajectory.calls:
        cut.ledger.read += 1
        if not selection.takes(call):
            cut.ledger.drop("filtered")
        elif seen is not None and sample_of(call) in seen:
            cut.ledger.shared += 1
        elif call["id"] not in own:
            cut.share(alone=seen is None)
        elif cut.place(call) and seen is not None:
            seen.add(sample_of(call))
    yield from cut.rows()


def tree_rows(
    tree: TaskTree, selection: Selection = EVERYTHING, ledger: Ledger | None = None, *, missing: Missing = "refuse"
) -> Iterator[TokenRow]:
    """The rows of all runs of a task that are selected; no call is in the loss of two. Raises NoTokenIds."""
    seen: set[Sample] = set()
    for trajectory in tree.trajectories:
        if selection.admits(trajectory):
            yield from rows_of(trajectory, selection, ledger, missing=missing, seen=seen)


@dataclass
class _Open:
    """A row that may go on."""

    start: str
    role: str
    ids: list[int]
    sampled: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    forced: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def read(self, ids: list[int]) -> None:
        """Context: what the next prompt adds."""
        self.ids += ids
        self._fill()

    def sample(self, call: CallRecord, ids: list[int], logprobs: list[float]) -> None:
        """A completion."""
        self._fill()
        begin = len(self.ids)
        self.ids += ids
        self.logprobs += logprobs
        self.sampled += [1] * len(ids)
        self.forced += [int(one == 0.0) for one in logprobs] if call["constrained"] else [0] * len(ids)
        self.spans.append(
            Span(
                call=call["id"], start=begin, stop=len(self.ids), turn=call["turn"], place=call["place"],
                policy=call["policy"], version=call["version"], logprobs_mode=call["logprobs_mode"],
                constrained=call["constrained"], finish=call["finish_reason"], checkpoint=call["checkpoint"],
            )
        )  # fmt: skip

    def _fill(self) -> None:
        new = len(self.ids) - len(self.sampled)
        self.sampled += [0] * new
        self.forced += [0] * new
        self.logprobs += [0.0] * new


@dataclass
class _Cut:
    """One run being cut into rows."""

    trajectory: Trajectory
    ledger: Ledger
    missing: Missing
    opened: list[_Open] = field(default_factory=list)
    ends: dict[str, _Open] = field(default_factory=dict)
    """Rows by the id of their last call."""
    placed: set[str] = field(default_factory=set)

    def share(self, *, alone: bool) -> None:
        """Account for a call before the fork that no row of this tree is trained on so far."""
        if alone:
            self.ledger.shared += 1
        else:
            self.ledger.drop("before_fork")

    def place(self, call: CallRecord) -> bool:
        """Put a call into a row; False: it is dropped and accounted for."""
        if (flaw := self._flaw(call)) is not None:
            self.ledger.drop(flaw)
            return False
        ids, logprobs, added = call["token_ids"] or [], call["logprobs"] or [], call["prompt"]["ids"] or []
        reason = self._reason(call)
        if reason is None:
            row = self.ends.pop(call["prompt"]["parent"] or "")
            row.read(added)
            self.ledger.merged += 1
        else:
            try:
                prompt = prompt_ids(call, self.trajectory.by_id)
            except ValueError:
                self.ledger.drop("orphan")
                return False
            row = _Open(reason, call["role"], prompt)
            self.opened.append(row)
            self.ledger.rows += 1
            if reason != "first":
                self.ledger.forked[reason] += 1
        row.sample(call, ids, logprobs)
        self.ends[call["id"]] = row
        self.placed.add(call["id"])
        self._count(call, row.spans[-1], row)
        return True

    def rows(self) -> Iterator[TokenRow]:
        """What came of it."""
        run = self.trajectory
        for one in self.opened:
            self.ledger.context_tokens += one.sampled.count(0)
            yield TokenRow(
                **vars(one), system=run.system, task=run.task, thread=run.thread_id, run=run.run, group=run.group,
                weight=1 / len(self.opened),
            )  # fmt: skip

    def _flaw(self, call: CallRecord) -> str | None:
        ids, logprobs = call["token_ids"], call["logprobs"]
        if call["error"] is not None and ids is None:
            return "failed"
        if call["incomplete"]:
            return "incomplete"
        if ids is None or logprobs is None or call["prompt"]["ids"] is None:
            if self.missing == "refuse":
                raise NoTokenIds(call["id"], call["policy"])
            return "no_ids"
        if len(ids) != len(logprobs) or not math.isfinite(sum(logprobs)) or self._contradicts(call):
            return "damaged"
        return None if ids else "empty"

    def _contradicts(self, call: CallRecord) -> bool:
        """Whether it claims to begin with all tokens of its parent, and with another number of them."""
        parent = self.trajectory.by_id.get(call["prompt"]["parent"] or "")
        if parent is None or not call["prompt"]["continues"]:
            return False
        read, sampled = parent["prompt"]["ids"], parent["token_ids"]
        if read is None or sampled is None:
            return True
        return call["prompt"]["tokens"] != parent["prompt"]["tokens"] + len(read) + len(sampled)

    def _reason(self, call: CallRecord) -> str | None:
        """Why the call begins a row; None: it goes on with one."""
        prompt = call["prompt"]
        if prompt["parent"] is None:
            return "first"
        parent = self.trajectory.by_id.get(prompt["parent"])
        if not prompt["continues"]:
            return _change(call, parent)
        if parent is None or parent["id"] not in self.placed:
            return "parent_not_in_row"
        if parent["role"] != call["role"]:
            return "other_role"
        return None if parent["id"] in self.ends else "sibling"

    def _count(self, call: CallRecord, span: Span, row: _Open) -> None:
        self.ledger.trained += 1
        self.ledger.truncated += call["finish_reason"] == "length"
        self.ledger.constrained += call["constrained"]
        self.ledger.sampled_tokens += span.stop - span.start
        self.ledger.forced_tokens += sum(row.forced[span.start :]) if call["constrained"] else 0


def _change(call: CallRecord, parent: CallRecord | None) -> str:
    """What kept a prompt from beginning with all tokens of the one before."""
    if parent is None:
        return "parent_not_in_row"
    if parent["token_ids"] is None or parent["prompt"]["ids"] is None:
        return "parent_without_ids"
    conversation = parent["prompt"]["messages"] + len(parent["prompt"]["rest"]) + 1
    return "re_rendered" if call["prompt"]["messages"] == conversation else "rewritten"
