"""An operator node of a compiled canvas applies its operator once each time it is reached, to the inputs and under the
key that a walk of the same canvas would give it, so both put the same prompts before a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from ...errors import UsageError
from ...operators.outcome import Outcome
from ...operators.registry import Registry
from ...operators.sampler import ModelLike, Sampler, sampler_of
from ...operators.sandbox import Sandbox
from ...operators.template import OperatorTemplate
from ...sampling import Sampling
from ..memory import entry_of
from ..operation import Planned, derived_seed
from .compiled_state import CanvasState, Update, known, point_at, stored
from .compiled_steps import Spot, Step
from .flow import node_path
from .intake import inputs_of
from .node import OperatorNode

ModelOf = Callable[[OperatorNode], ModelLike]


@dataclass(frozen=True)
class Means:
    """What the operators of a compiled canvas may use."""

    registry: Registry
    model: BaseChatModel | Runnable[LanguageModelInput, BaseMessage] | ModelOf | None
    """One model for all nodes, or what gives one for each; None: there is none."""
    sandbox: Sandbox | None
    """None: no operator of the canvas runs code."""

    def model_for(self, node: OperatorNode) -> ModelLike | None:
        """The node's model. Raises UsageError where its operator needs one and there is none."""
        if not self.registry[node.operator].needs_model:
            return None
        if self.model is None:
            raise UsageError(f"{node.id} ({node.operator}) needs a model", fix="Pass compile_canvas(..., model=...)")
        return self.model if isinstance(self.model, Runnable) else self.model(node)


class Apply(Step):
    """See the module."""

    def __init__(self, spot: Spot, node: OperatorNode, means: Means, *, mark: bool = False) -> None:
        """`mark`: the point behind it is kept under its id, for the test that may run again."""
        super().__init__(spot)
        self.node = node
        self.mark = mark
        self.again = False
        self.template: OperatorTemplate = means.registry[node.operator]
        self.model = means.model_for(node)
        self.sandbox = means.sandbox if self.template.needs_sandbox else None

    def invoke(self, input: CanvasState, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """Apply the operator."""
        if not self.due(input):
            return {}
        planned = self.planned(input)
        return self.applied(input, planned, self.bound(input, planned).invoke({}, config))

    async def ainvoke(self, input: CanvasState, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """Apply the operator."""
        if not self.due(input):
            return {}
        planned = self.planned(input)
        return self.applied(input, planned, await self.bound(input, planned).ainvoke({}, config))

    def due(self, state: CanvasState) -> bool:
        """Whether the operator is to be applied."""
        return True

    def planned(self, state: CanvasState) -> Planned:
        """The operation that the node is now."""
        memory, flow = known(state), point_at(state, self.spot.lane).flow
        path = node_path(self.node.id, self.spot.passes(state), again=self.again)
        return Planned(
            id=path, at=self.spot.place(state), operator=self.node.operator, instruction=self.node.prompt,
            inputs=[*inputs_of(self.template, flow, memory)], output=memory.next_key(self.node.id), arguments=None,
            node=path,
        )  # fmt: skip

    def bound(self, state: CanvasState, planned: Planned) -> Runnable[dict[str, Any], Outcome]:
        """The operator with all it needs."""
        memory = known(state)
        inputs = {key: memory[key]["content"] for key in planned["inputs"]}
        model = None if self.model is None else seeded(self.model, planned["id"])
        return self.template.bind(planned["instruction"], inputs, model=model, sandbox=self.sandbox)

    def applied(self, state: CanvasState, planned: Planned, outcome: Outcome) -> Update:
        """What the outcome changes."""
        point = stored(point_at(state, self.spot.lane).after(planned["output"], outcome.kind))
        marks = {self.node.id: point} if self.mark else {}
        return {"memory": [entry_of(outcome, planned)], "points": {self.spot.lane: point, **marks}}


class ApplyAgain(Apply):
    """The second run of a condition that is a test: only where the branch left other candidates."""

    def __init__(self, spot: Spot, node: OperatorNode, means: Means) -> None:
        """As Apply."""
        super().__init__(spot, node, means)
        self.again = True

    def due(self, state: CanvasState) -> bool:
        """Whether what was tested has been replaced."""
        return point_at(state, self.spot.lane).remade(point_at(state, self.node.id))


def seeded(model: ModelLike, path: str) -> ModelLike:
    """`model` with a seed of its own for each application, where it has a seed: two nodes with one prompt are two
    samples, and so are two passes."""
    seed = getattr(model, "seed", None)
    if not isinstance(model, BaseChatModel) or not isinstance(seed, int):
        return model
    given: Sampler = sampler_of(model)

    def sampler(sampling: Sampling, sample: int) -> Runnable[LanguageModelInput, BaseMessage]:
        return given(sampling, sample).bind(seed=derived_seed(seed, path, sample))

    return sampler
