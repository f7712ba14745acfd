"""A foreign tool is called with a copy of validated arguments, within its time, and gives an outcome or a ToolFault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from typing_extensions import TypedDict, Unpack

from ...errors import UsageError
from ..outcome import Outcome
from ..template import Job, OperatorTemplate
from .calling import arguments_of, calling
from .failure import guarded
from .names import one_line
from .result import outcome_of
from .schema import parameters_of

Work = Callable[[dict[str, Any]], Awaitable[Any]]
SECONDS: Final = 60.0
LONGEST_PURPOSE: Final = 300


class Terms(TypedDict, total=False):
    """On what terms a tool is called; what is left out has its default."""

    approval: bool
    """True: a person has to approve each call before it is made. Default False."""
    timeout: float
    """Seconds a call may take, 60 by default. After them the call ends in a retryable ToolFault. What runs in a thread
    or on a server cannot be ended from here: it goes on to its own end, and its result is dropped."""
    cost: float
    """Price of one call in US dollars, told in the outcome's `data["cost"]`. Default 0."""
    revision: int
    """Raised by whoever changes what the tool does, so that stored results are not taken for new ones. Default 1."""


def foreign_operator(
    name: str, purpose: str, schema: Mapping[str, Any], work: Work, **terms: Unpack[Terms]
) -> OperatorTemplate:
    """The operator that awaits `work` with the arguments that `schema` describes. Raises BadSchema for a schema that
    does not describe an object, UsageError for terms that make no sense."""
    timeout, cost = terms.get("timeout", SECONDS), terms.get("cost", 0.0)
    if not (timeout > 0 and cost >= 0):
        raise UsageError(f"{name} has timeout={timeout} and cost={cost}", fix="timeout > 0, cost >= 0")
    parameters = parameters_of(name, schema, purpose)

    async def call(job: Job) -> Outcome:
        given = deepcopy(dict(arguments_of(job)))

        async def result() -> Outcome:
            return outcome_of(await work(given), cost)

        return await guarded(job.template.name, timeout, result)

    return OperatorTemplate(
        name=name,
        purpose=one_line(purpose, LONGEST_PURPOSE) or "No description is given.",
        accepts=accepted(parameters),
        output="result",
        build=calling(call),
        max_calls=0,
        min_inputs=0,
        parameters=parameters,
        approval=terms.get("approval", False),
        revision=terms.get("revision", 1),
    )


def accepted(parameters: Mapping[str, Any]) -> str:
    """The arguments by name and type on one line, as a designer reads them."""
    required = parameters.get("required", ())
    named = parameters.get("properties", {})
    told = [f"{name} ({_type(schema)}{'' if name in required else ', optional'})" for name, schema in named.items()]
    return one_line(", ".join(told), LONGEST_PURPOSE) or "no arguments"


def _type(schema: Any) -> str:
    kind = schema.get("type", "any") if isinstance(schema, Mapping) else "any"
    return kind if isinstance(kind, str) else " or ".join(kind)
