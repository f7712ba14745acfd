"""A system is what its designer may decide and what the runtime makes of a decision. The five role nodes are shared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_core.messages import BaseMessage

from ..operators.registry import Registry
from ..policies.action import find_action
from ..policies.reply import Reply
from ..sampling import Sampling
from .budget import Budget
from .closing import Closing
from .decision import Decision
from .evidence import best_candidate
from .faults import Fault
from .judgement import Judgement
from .memory import PROBLEM, Memory
from .operation import Planned
from .question import Question
from .state import State

PRESENT = "Present the final answer of the candidate in the form the problem asks for. Do not change its result."


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
    closing: str = "DIRECT_ANSWER"
    """Operator that words an answer which rests on no single candidate."""
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


@dataclass(frozen=True)
class Reading:
    """An action as it was found in a reply."""

    action: dict[str, Any]
    notices: Sequence[str] = ()
    """What had to be put right to read it; kept with the turn."""


class System(ABC):
    """What one published system adds to the shared roles. What is not abstract has the plain form of it here."""

    name: ClassVar[str]
    """Name in `build_graph(name)`."""
    presets: ClassVar[Mapping[str, Preset]]
    """By name; `default` is required."""

    @abstractmethod
    def messages(self, scene: Scene) -> list[BaseMessage]:
        """The designer's prompt. Constant parts first, so that servers can share prefixes between turns and tasks."""

    @abstractmethod
    def schema(self, scene: Scene) -> dict[str, Any] | None:
        """JSON schema of a decision, for constrained decoding; None: the designer writes free text."""

    @abstractmethod
    def shape(self, action: dict[str, Any]) -> dict[str, Any]:
        """`action` as the system understands it. Raises ValueError when it has not the shape of a decision."""

    @abstractmethod
    def decide(self, action: dict[str, Any], scene: Scene) -> Decision:
        """The decision, with ids and keys assigned by the runtime. Raises Refused with every unmet constraint."""

    def read(self, reply: Reply, scene: Scene) -> Reading:
        """The action in a reply: here its last JSON object that fits. Raises ReplyError or Refused."""
        return Reading(find_action(reply.text, self.shape, finish_reason=reply.finish_reason))

    def fits(self, messages: Sequence[BaseMessage], scene: Scene) -> bool:
        """Whether a prompt that went on growing may be sent. Here always; else `messages` tells it anew."""
        return True

    def warnings(self, scene: Scene) -> Sequence[Fault]:
        """What the designer should know about its own course (loops, repeats). Here nothing."""
        return ()

    def opening(self, scene: Scene) -> Question | None:
        """What the summarizer asks before the first decision, kept as the entry `analysis@1`; None: nothing."""
        return None

    def more(self, scene: Scene) -> list[Planned]:
        """Operations of the turn that became possible by the results so far, beyond those planned. Here none."""
        return []

    def review(self, scene: Scene) -> Question | None:
        """What the verifier asks its model after a turn; None: the rules suffice for this one."""
        return None

    def judge(self, reply: Reply, scene: Scene) -> Judgement:
        """What the verifier's model said. Never raises for what it wrote."""
        return Judgement(stop=False, analysis=reply.text)

    def closing(self, scene: Scene) -> Closing:
        """How the answer is made: here the chosen candidate, else the best one, worded by ORGANIZE_SOLUTION."""
        stop = scene.state.get("stop")
        key = (stop["candidate"] if stop else None) or best_candidate(scene.memory)
        if key is None:
            return Closing(None)
        inputs = {one: scene.memory[one]["content"] for one in (PROBLEM, key)}
        return Closing(key, "ORGANIZE_SOLUTION", PRESENT, inputs)
