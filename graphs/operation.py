"""An operation is one operator applied once. Its content key covers all that decides its result, so equal keys mean
equal work and the work is done once."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from ..digest import digest
from .budget import Usage
from .faults import Fault

OperationStatus = Literal["ok", "failed", "skipped"]


class Planned(TypedDict):
    """An operation of a validated plan. All ids and keys in it come from the runtime."""

    id: str
    """`op_TURN_INDEX`; unique in the run, never reused."""
    at: list[int]
    """[turn, index]: place in the run, the same for the operation and for what it makes."""
    operator: str
    instruction: str
    """φ: what to do here with these inputs."""
    inputs: list[str]
    """ψ: exact memory keys, in prompt order."""
    output: str
    """Memory key its outcome will get."""
    arguments: dict[str, Any] | None
    """Of a tool, where the designer gave them; None: the executor derives them, or it is not a tool."""
    node: str | None
    """Node of the canvas it runs, with the pass of each loop around it (`node_4`, `node_6#2`); None: no canvas."""


class Operation(Planned):
    """What became of a planned operation."""

    turn: int
    version: str
    """Version of the operator template: a digest of its prompt and contract."""
    key: str
    """Content key; see `content_key`. Empty for a skipped operation, which did nothing."""
    status: OperationStatus
    fault: Fault | None
    """Why there is no outcome; None when `status` is `ok`."""
    usage: Usage
    model: str | None
    """Model that answered last; None: no model was asked."""
    began: float | None
    """Unix seconds; `usage` says how long it took. None: it did not run."""


def content_key(planned: Planned, *, version: str, inputs: dict[str, str], model: str | None, seed: int) -> str:
    """Digest of operator, version, instruction, resolved inputs, arguments, model and seed."""
    resolved = [[key, text] for key, text in inputs.items()]
    return digest([planned["operator"], version, planned["instruction"], resolved, planned["arguments"], model, seed])


def derived_seed(seed: int, *path: str | int) -> int:
    """A seed in [0, 2^31) for one call: a hash of the run's seed and the call's place in the run. Neighbours are not
    adjacent numbers, because servers give the n-th choice of a request the seed + n."""
    return int(digest([seed, *path], 16), 16) % 2**31
