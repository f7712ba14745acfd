"""A row of text is one call: what was asked, what was said, what the runtime made of it; refused designs included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ...graphs.call_record import CallRecord, Message
from ...graphs.prompt_delta import Spoken, restored
from .ledger import Ledger
from .selection import EVERYTHING, Selection
from .trajectory import Trajectory

Sample: TypeAlias = tuple[str, float, str]


def sample_of(call: CallRecord) -> Sample:
    """What tells a sampled reply from every other: a run that was taken back and went on once more may have two under
    one id."""
    return call["id"], call["began"], call["reply"]


@dataclass(frozen=True)
class TextRow:
    """One call as messages."""

    messages: list[Message]
    """The prompt."""
    completion: Message
    call: str
    role: str
    turn: int
    place: str
    policy: str
    version: str | None
    """None: unknown."""
    finish: str | None
    """`length` for a reply that was cut; None: the provider gave none."""
    status: str | None
    """What became of it: a designer's `Turn.outcome`, an operation's status; None: nothing reads it."""
    feedback: list[str]
    """What the runtime said to it: faults, then the observation."""
    label: bool | None
    """Whether it was accepted (KTO); None: nothing judges it."""
    system: str
    task: str | None
    thread: str
    run: str
    group: str
    rewards: dict[str, float]


def text_rows(
    trajectory: Trajectory,
    selection: Selection = EVERYTHING,
    ledger: Ledger | None = None,
    *,
    seen: set[Sample] | None = None,
) -> Iterator[TextRow]:
    """Each selected call of one run, in order. Calls before its fork are left to the run that was forked; `seen` is as
    in `rows_of`."""
    ledger = ledger or Ledger()
    own, judged = {one["id"] for one in trajectory.own}, verdicts(trajectory)
    for call, said in _told(trajectory):
        ledger.read += 1
        if not selection.takes(call):
            ledger.drop("filtered")
        elif call["error"] is not None and not call["reply"]:
            ledger.drop("failed")
        elif (seen is not None and sample_of(call) in seen) or (call["id"] not in own and seen is None):
            ledger.shared += 1
        elif call["id"] not in own:
            ledger.drop("before_fork")
        elif said is None:
            ledger.drop("orphan")
        else:
            if seen is not None:
                seen.add(sample_of(call))
            ledger.trained += 1
            ledger.rows += 1
            ledger.truncated += call["finish_reason"] == "length"
            yield _row(trajectory, call, said, judged.get(call["id"]))


def verdicts(trajectory: Trajectory) -> dict[str, tuple[str, list[str], bool]]:
    """Status, feedback and acceptance of the calls that something reads, by their ids."""
    found: dict[str, tuple[str, list[str], bool]] = {}
    for turn in trajectory.turns:
        said = [one["message"] for one in turn["faults"]] + [turn["observation"]] * bool(turn["observation"])
        found[turn.get("call") or ""] = turn["outcome"], said, turn["outcome"] in ("plan", "finish", "give_up")
    operations = {one["id"]: one for one in trajectory.operations}
    for call in trajectory.calls:
        done = operations.get(call["place"]) if call["role"] == "executor" else None
        if done is not None:
            said = [done["fault"]["message"]] if done["fault"] else []
            found[call["id"]] = done["status"], said, done["status"] == "ok"
    return found


def _told(trajectory: Trajectory) -> Iterator[tuple[CallRecord, Spoken | None]]:
    """Each call with its messages, token ids left out; None: one before it is not there."""
    known: dict[str, Spoken] = {}
    for call in trajectory.calls:
        above = call["prompt"]["parent"]
        text = CallRecord(**{**call, "token_ids": None, "prompt": {**call["prompt"], "ids": None}})
        try:
            said = restored(text, None if above is None else known[above])
        except (LookupError, ValueError):
            yield call, None
            continue
        known[call["id"]] = said
        yield call, said


def _row(
    trajectory: Trajectory, call: CallRecord, said: Spoken, verdict: tuple[str, list[str], bool] | None
) -> TextRow:
    status, feedback, label = verdict or (None, [], None)
    return TextRow(
        messages=said.messages, completion=said.reply, call=call["id"], role=call["role"], turn=call["turn"],
        place=call["place"], policy=call["policy"], version=call["version"], finish=call["finish_reason"],
        status=status, feedback=feedback, label=label, system=trajectory.system, task=trajectory.task,
        thread=trajectory.thread_id, run=trajectory.run, group=trajectory.group, rewards=dict(trajectory.rewards),
    )  # fmt: skip
