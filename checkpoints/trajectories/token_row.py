"""A row of training data says of every token whether it was sampled, with which log-prob, by whom and in which call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import UsageError
from ...graphs.call_record import CallRecord, LogprobsMode


class NoTokenIds(UsageError):
    """Rows of tokens were asked for, and a call has none."""

    def __init__(self, call: str, policy: str) -> None:
        """`call` is its id, `policy` who answered."""
        super().__init__(
            f"call {call} of {policy} has no token ids",
            fix="Select the roles and policies that have them, sample with vllm: or local:, or export text (sft, kto)",
        )


@dataclass(frozen=True)
class Span:
    """The sampled tokens of one call in a row: `row.ids[start:stop]`."""

    call: str
    start: int
    stop: int
    turn: int
    place: str
    policy: str
    version: str | None
    """None: unknown."""
    logprobs_mode: LogprobsMode | None
    constrained: bool
    finish: str | None
    checkpoint: str | None


@dataclass(frozen=True)
class TokenRow:
    """One row of training data. `ids`, `sampled`, `logprobs` and `forced` have equal length."""

    ids: list[int]
    """Prompt of the first call; then by turns a completion and what the next prompt adds."""
    sampled: list[int]
    """1 exactly on sampled tokens: the loss mask."""
    logprobs: list[float]
    """Natural logarithms; 0.0 where not sampled."""
    forced: list[int]
    """1 on sampled tokens that a grammar left no choice about."""
    spans: list[Span]
    role: str
    system: str
    task: str | None
    thread: str
    run: str
    group: str
    """See `Trajectory.group`."""
    start: str
    """Why the row begins where it does: `first`, or one of `ledger.ForkReason`."""
    weight: float = 1.0
    """Share of the trajectory's weight, which is 1 and is split over its rows."""

    @property
    def trained(self) -> int:
        """Number of sampled tokens."""
        return sum(self.sampled)


def prompt_ids(call: CallRecord, records: Mapping[str, CallRecord]) -> list[int]:
    """All tokens of a call's prompt, as the server read them, from the `records` by id that its parents are among.
    Raises ValueError where one is missing, has no ids, or is shorter than what is told relative to it."""
    pieces: list[list[int]] = []
    needed: int | None = None  # how many of the first tokens of prompt and completion; None: the prompt itself
    passed: set[str] = set()
    while needed != 0:
        prompt = call["prompt"]
        passed.add(call["id"])
        if prompt["ids"] is None or (needed is not None and call["token_ids"] is None):
            raise ValueError(f"call {call['id']} has no token ids")
        if needed is None:
            pieces.append(prompt["ids"])
        elif needed > prompt["tokens"]:
            added = [*prompt["ids"], *(call["token_ids"] or ())][: needed - prompt["tokens"]]
            if len(added) < needed - prompt["tokens"]:
                raise ValueError(f"call {call['id']} has fewer tokens than its successor begins with")
            pieces.append(added)
        needed = prompt["tokens"] if needed is None else min(needed, prompt["tokens"])
        if needed and (prompt["parent"] not in records or prompt["parent"] in passed):
            raise ValueError(f"call {call['id']} is told relative to {prompt['parent']}, which is not there")
        if needed:
            call = records[str(prompt["parent"])]
    return [id for piece in reversed(pieces) for id in piece]
