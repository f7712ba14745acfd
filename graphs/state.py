"""Everything that matters about a run is in this state and nowhere else. Values are JSON-native, so strict msgpack,
a browser and another language can read them; what grows is a `DeltaChannel`, so storage grows linearly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from langchain_core.messages import AnyMessage, MessageLikeRepresentation
from langgraph.channels import DeltaChannel, EphemeralValue
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.managed import RemainingSteps
from typing_extensions import TypedDict

from .budget import Budget, Usage, spend
from .call_packing import Packed
from .memory import Entry
from .messages import append_messages
from .open_calls import open_calls
from .operation import Operation, Planned
from .turn import Turn

Status = Literal["running", "finished", "best_effort", "failed"]
SNAPSHOT_EVERY: Final = 250
"""Updates of a growing channel between stored copies of it: fewer copies are less to store, more are less to read."""
CALLS_EVERY: Final = 100
"""The same of the calls, of which a copy is small and the updates are not."""


def in_order(current: list[Any], writes: Sequence[list[Any]]) -> list[Any]:
    """Reducer of the append-only channels: all records, ordered by `at`. Batching-invariant, and blind to the order of
    the writes: a process that replays the stored writes of parallel tasks sees the list that the first one saw."""
    return sorted([*current, *(record for write in writes for record in write)], key=_at)


def _at(record: dict[str, Any]) -> list[int]:
    at: list[int] = record["at"]
    return at


class Task(TypedDict, total=False):
    """What is asked. `question` is required; nothing that scores the answer belongs here."""

    question: str
    id: str
    operators: list[str]
    """Allow-list of operators for this task; absent: all of the preset."""
    budget: Budget
    """Limits for this task, over those of the context and the preset; absent: theirs."""


class Place(TypedDict):
    """What decides the journal keys and the seeds of a run's calls."""

    id: str
    """Random; scopes the journal, so that a fork shares its parent's finished calls and a new run shares nobody's."""
    seed: int
    turn: int
    """Number of the decision being made, from 1."""


class Origin(TypedDict):
    """The checkpoint that a run was forked from. Runs with the same thread and checkpoint are one group: samples of
    what can follow one and the same past."""

    thread: str
    checkpoint: str
    run: str
    """Id of the run that was forked."""
    turn: int
    """The turn that was about to be decided."""
    sample: int
    """Number of the fork in its group, from 1; the forked run's own continuation counts as 0."""


class Run(Place):
    """Who this run is."""

    origin: Origin | None
    """Where it was forked from; None: it began by itself."""

    task: str | None
    """Id of the task; None: it has none."""
    number: int
    """1 for the thread's first question, 2 for the next."""
    system: str
    preset: str
    operators: list[str] | None
    """Allow-list of the task; None: all of the preset."""
    policies: dict[str, str]
    """Policy names by role, without secrets: what `flowwright resume` uses where nothing else is said."""
    approvals: list[str]
    """Tools whose calls wait for a person: a resume that did not know of them would let them pass."""
    attempt: int
    """Repairs of this decision so far."""
    messages: int
    """Length of the conversation when the run began."""


class Stage(TypedDict):
    """A validated plan while it runs."""

    id: str
    operations: list[Planned]
    """Those known so far; a canvas adds some as results come in."""
    running: list[str]
    """Ids of the layer that was started last."""


class Stop(TypedDict):
    """Why the run ends, before its answer is written."""

    by: Literal["designer", "verifier", "budget", "provider"]
    settled: bool
    """Whether somebody decided that the answer is there; False: the run was given up or cut short."""
    reason: str
    candidate: str | None
    """Memory key the designer chose; None: the system says what the answer is made of."""


class Evidence(TypedDict):
    """What the answer is worth."""

    candidate: str | None
    """Memory key of the candidate it was written from; None: there was none."""
    verdict: str | None
    """Last review of that candidate; None: never reviewed."""
    passed: bool | None
    """Last executed test of it; None: never tested."""
    support: float | None
    """Share of the votes for it; None: nobody voted."""
    origin: Literal["candidate", "generator"] | None
    """Whose words the answer is in; None: there is no answer."""


class State(TypedDict, total=False):
    """Channels of every system's graph."""

    messages: Annotated[list[AnyMessage], DeltaChannel(append_messages, snapshot_frequency=SNAPSHOT_EVERY)]
    task: Annotated[Task, EphemeralValue(dict)]
    budget: Budget
    run: Run
    usage: Annotated[Usage, BinaryOperatorAggregate(dict, spend)]
    turns: Annotated[list[Turn], DeltaChannel(in_order, snapshot_frequency=SNAPSHOT_EVERY)]
    operations: Annotated[list[Operation], DeltaChannel(in_order, snapshot_frequency=SNAPSHOT_EVERY)]
    memory: Annotated[list[Entry], DeltaChannel(in_order, snapshot_frequency=SNAPSHOT_EVERY)]
    calls: Annotated[list[Packed], DeltaChannel(open_calls, snapshot_frequency=CALLS_EVERY)]
    """Model calls as they were sent and sampled. Each is written here once, where training finds it; what the channel
    shows is the last one of each role, relative to which the next prompt is told."""
    remaining_steps: RemainingSteps
    """Super-steps that the caller's `recursion_limit` still allows; not stored."""
    canvas: dict[str, Any] | None
    """The workflow under construction (`graphs.canvas.board.Board`); absent or None: the system has none."""
    stage: Stage | None
    stop: Stop | None
    status: Status
    answer: str | None
    evidence: Evidence | None


class Input(TypedDict, total=False):
    """What a caller gives: a task, or a conversation whose last human message is the question."""

    task: Task
    messages: list[MessageLikeRepresentation]


class Output(TypedDict, total=False):
    """What a caller gets."""

    answer: str | None
    status: Status
    evidence: Evidence | None
    usage: Usage
    messages: list[AnyMessage]
