"""A spec is a node that does not exist yet: it has no id, because ids are the runtime's, and its operators may still
lack a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Literal, TypeAlias, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from .predicate import FAILS, Predicate


class Strict(BaseModel):
    """What a model proposes: frozen, and a field nobody asked for is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OperatorShape(Strict):
    """One operator and its instruction."""

    operator: str
    """Name in the registry."""
    prompt: str | None = None
    """None: to be asked for, where prompts come one by one; else refused."""


class ParallelShape(Strict):
    """Branches that start from the same flow."""

    branches: tuple[SequenceSpec, ...]


class ConditionalShape(Strict):
    """A checker, and what runs by its outcome."""

    condition: OperatorSpec
    when: Predicate = FAILS
    """On the outcome of `condition`: true runs `then`, false runs `otherwise`."""
    then: SequenceSpec
    otherwise: SequenceSpec = ()
    """Empty: nothing runs."""


class LoopShape(Strict):
    """A body that runs a bounded number of times."""

    body: SequenceSpec
    times: StrictInt | None = None
    """Passes at most; None: the default of the limits."""
    until: Predicate | None = None
    """On the last outcome of each pass; None: it runs `times` times."""


class OperatorSpec(OperatorShape):
    """An operator within a structure."""

    kind: Literal["operator"] = "operator"


class ParallelSpec(ParallelShape):
    """A parallel within a structure."""

    kind: Literal["parallel"] = "parallel"


class ConditionalSpec(ConditionalShape):
    """A conditional within a structure."""

    kind: Literal["conditional"] = "conditional"


class LoopSpec(LoopShape):
    """A loop within a structure."""

    kind: Literal["loop"] = "loop"


NodeSpec: TypeAlias = Annotated[OperatorSpec | ParallelSpec | ConditionalSpec | LoopSpec, Field(discriminator="kind")]
SequenceSpec: TypeAlias = tuple[NodeSpec, ...]
Shape: TypeAlias = OperatorShape | ParallelShape | ConditionalShape | LoopShape
S = TypeVar("S", bound=Shape)
Change: TypeAlias = Callable[[str, str | None], tuple[str, str | None]]
"""From an operator's name and prompt to those it shall have."""


def operators_of(shape: Shape) -> Iterator[OperatorShape]:
    """The operators of a shape, in the order in which their nodes are numbered."""
    if isinstance(shape, OperatorShape):
        yield shape
    for sequence in sequences_of(shape):
        for inner in sequence:
            yield from operators_of(inner)


def sequences_of(shape: Shape) -> tuple[SequenceSpec, ...]:
    """The sequences inside a shape, as `children` gives those of its node."""
    match shape:
        case ParallelShape(branches=branches):
            return branches
        case ConditionalShape(condition=condition, then=then, otherwise=otherwise):
            return (condition,), then, otherwise
        case LoopShape(body=body):
            return (body,)
        case _:
            return ()


def with_operators(shape: S, change: Change) -> S:
    """The shape with every operator changed, asked for in the order of `operators_of`."""
    if isinstance(shape, OperatorShape):
        operator, prompt = change(shape.operator, shape.prompt)
        return shape.model_copy(update={"operator": operator, "prompt": prompt})
    return _with_inner(shape, lambda inner: with_operators(inner, change))


def with_passes(shape: S, times: int) -> S:
    """The shape with `times` passes for every loop that says nothing of them."""
    shape = _with_inner(shape, lambda inner: with_passes(inner, times))
    if isinstance(shape, LoopShape) and shape.times is None:
        return shape.model_copy(update={"times": times})
    return shape


def _with_inner(shape: S, change: Callable[[NodeSpec], NodeSpec]) -> S:
    """The shape with everything right inside it changed, in order."""
    inside = [tuple(change(one) for one in sequence) for sequence in sequences_of(shape)]
    return cast("S", shape.model_copy(update=_parts(shape, inside)))


def _parts(shape: Shape, inside: list[SequenceSpec]) -> dict[str, object]:
    """The fields of a shape that hold its sequences."""
    match shape:
        case ParallelShape():
            return {"branches": tuple(inside)}
        case ConditionalShape():
            return {"condition": inside[0][0], "then": inside[1], "otherwise": inside[2]}
        case LoopShape():
            return {"body": inside[0]}
        case _:
            return {}


for model in (ParallelShape, ConditionalShape, LoopShape, ParallelSpec, ConditionalSpec, LoopSpec):
    model.model_rebuild()
