"""A system is what its designer may decide and what the runtime makes of a decision. The five role nodes are shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import BaseMessage

from ..operators.registry import Registry
from ..sampling import Sampling
from .budget import Budget
from .faults import Fault
from .memory import Memory
from .operation import Planned
from .state import State


@dataclass(frozen=True)
class Plan:
    """Go on: run these operations, by data dependence."""

    operations: list[Planned]
    description: str


@dataclass(frozen=True)
class Finish:
    """Stop: the answer is in this memory entry."""

    key: str
    reason: str


@dataclass(frozen=True)
class GiveUp:
    """Stop without a candidate of the designer's choice."""

    reason: str


Decision = Plan | Finish | GiveUp


@dataclass(frozen=True)
class Preset:
    """A named set of choices of one system."""

    name: str
    operators: tuple[str, ...]
    """Built-in operators offered to the designer."""
    budget: Budget
    designer: Sampling
    executor: Sampling | None = None
    """Decoding of every operator call; None: each operator template's own."""
    endings: tuple[str, ...] = ()
    """Operator names by which a design of this preset may end the run, besides the finish decision."""
    added: bool = False
    """True: operators that other packages or the caller brought to the registry are offered too."""
    source: str = ""
    """Where the numbers come from; empty: ours."""


@dataclass(frozen=True)
class Scene:
    """What a system sees of a run: its state, read-only, and the operators this task may use."""

    state: State
    preset: Preset
    registry: Registry
    memory: Memory

    @classmethod
    def of(cls, state: State, preset: Preset, registry: Registry) -> Scene:
        """The scene of `state`; keys promised to operations that gave nothing stay reserved."""
        promised = [one["output"] for one in state.get("operations", [])]
        return cls(state, preset, registry, Memory(state.get("memory", []), promised))


class System(Protocol):
    """What one published system adds to the shared roles."""

    @property
    def name(self) -> str:
        """Name in `build_graph(name)`."""
        ...

    @property
    def presets(self) -> dict[str, Preset]:
        """By name; `default` is required."""
        ...

    def messages(self, scene: Scene) -> list[BaseMessage]:
        """The designer's prompt. Constant parts first, so that servers can share prefixes between turns."""
        ...

    def schema(self, scene: Scene) -> dict[str, Any]:
        """JSON schema of a decision, for constrained decoding."""
        ...

    def shape(self, action: dict[str, Any]) -> dict[str, Any]:
        """`action` as the system understands it. Raises ValueError when it has not the shape of a decision."""
        ...

    def decide(self, action: dict[str, Any], scene: Scene) -> Decision:
        """The decision, with ids and keys assigned by the runtime. Raises Refused with every unmet constraint."""
        ...

    def warnings(self, scene: Scene) -> Sequence[Fault]:
        """What the designer should know about its own course (loops, repeats)."""
        ...
