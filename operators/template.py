"""An operator is data plus one builder: everything that can be refused is refused at `bind`, before anything runs, and
its version changes with every prompt file and every field that decides what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableConfig

from ..digest import digest
from ..errors import UsageError
from ..sampling import Sampling
from .arguments import check_arguments
from .context import Bounds, excerpt, framed, render
from .outcome import Outcome, OutcomeKind
from .prompt import Prompt
from .sampler import ModelLike, Sampler, sampler_of
from .sandbox import Sandbox, SandboxUnavailable

DEFAULT_SAMPLING: Final = Sampling()
DEFAULT_BOUNDS: Final = Bounds()


@dataclass(frozen=True)
class Job:
    """One operation to be: a template with its instruction, its inputs and what it may use."""

    template: OperatorTemplate
    instruction: str
    inputs: Mapping[str, str]
    """Text by display key, in order, in full length."""
    sampler: Sampler | None
    """None only where the template needs no model."""
    sandbox: Sandbox | None
    """None only where the template needs no sandbox."""
    arguments: Mapping[str, Any] | None = None
    """Validated arguments of a tool; None: not a tool."""

    def variables(self) -> dict[str, str]:
        """`context` and `instruction` as an operator's prompt takes them: bounded and inert."""
        bounds = self.template.bounds
        instruction = framed(excerpt(self.instruction.strip(), bounds.instruction))
        return {"context": render(self.inputs, bounds), "instruction": instruction or "(none)"}


Builder = Callable[[Job], Runnable[dict[str, Any], Outcome]]


@dataclass(frozen=True)
class OperatorTemplate:
    """One kind of operation that a designer can ask for."""

    name: str
    """Upper case, unique in a registry."""
    purpose: str
    """One line: what it is for, as the designer reads it."""
    accepts: str
    """One line: which inputs it wants, as the designer reads it."""
    output: OutcomeKind
    build: Builder
    """Makes the runnable of one job; `one_reply(read)` for a prompt, a model and a reader of its text."""
    prompts: tuple[Prompt, ...] = ()
    """The prompt files it uses, the main one first; empty: it asks no model."""
    sampling: Sampling = DEFAULT_SAMPLING
    max_calls: int = 1
    """Model calls one operation makes at most; 0: it needs no model."""
    min_inputs: int = 1
    max_inputs: int | None = None
    """None: as many as there are; `bounds` still limits the prompt."""
    needs_sandbox: bool = False
    parameters: Mapping[str, Any] | None = None
    """JSON schema (an object) of the arguments of a tool: `bind` wants arguments and takes neither instruction nor
    inputs. None: not a tool."""
    stateful: bool = False
    """True: the results of its earlier calls in the run are among its inputs, whatever the designer named."""
    approval: bool = False
    """True: a person has to approve each call before it is made."""
    bounds: Bounds = DEFAULT_BOUNDS
    revision: int = 1
    """Raised by its author when the behaviour of `build` changes, so that stored results are not taken for new ones."""

    @property
    def needs_model(self) -> bool:
        """Whether `bind` must be given a model."""
        return self.max_calls > 0

    @cached_property
    def version(self) -> str:
        """Digest of the prompt files and of the fields that decide what an operation does, 12 hex digits."""
        prompts = [prompt.version for prompt in self.prompts]
        inputs = [self.min_inputs, self.max_inputs, self.bounds.per_input, self.bounds.context, self.bounds.instruction]
        decoding = [self.sampling.as_json(), self.max_calls]
        contract = [self.needs_sandbox, self.parameters, self.stateful, self.revision]
        return digest([self.name, self.output, prompts, decoding, inputs, *contract], 12)

    def bind(
        self,
        instruction: str,
        inputs: Mapping[str, str],
        *,
        arguments: Mapping[str, Any] | None = None,
        model: ModelLike | None = None,
        sandbox: Sandbox | None = None,
    ) -> Runnable[dict[str, Any], Outcome]:
        """The runnable of one operation, invoked with `{}`.

        `inputs` maps display keys such as `draft@2` to text, in order; `arguments` is what a tool is called with.
        Raises UsageError for a number of inputs that the template does not take, for arguments that do not fit
        `parameters`, and for a missing model, SandboxUnavailable for a missing sandbox; the runnable raises EmptyReply
        when the model answers with nothing, ToolFault when a tool gives no result.
        """
        if self.parameters is None:
            self._check_inputs(len(inputs))
        else:
            check_arguments(self.name, self.parameters, arguments)
        self._check_means(model, sandbox)
        sampler = None if model is None else sampler_of(model)
        job = Job(self, instruction, dict(inputs), sampler, sandbox, arguments)
        config = RunnableConfig(
            run_name=f"operator.{self.name}",
            tags=[f"operator:{self.name}"],
            metadata={"operator": self.name, "operator_version": self.version},
        )
        return self.build(job).with_config(config)

    def inputs_wanted(self) -> str:
        """How many inputs it takes, in words."""
        if self.max_inputs is None:
            return f"at least {self.min_inputs}"
        exact = self.max_inputs == self.min_inputs
        return f"exactly {self.min_inputs}" if exact else f"{self.min_inputs} to {self.max_inputs}"

    def _check_inputs(self, given: int) -> None:
        if given < self.min_inputs or (self.max_inputs is not None and given > self.max_inputs):
            raise UsageError(f"{self.name} got {given} inputs and takes {self.inputs_wanted()}", fix=self.accepts)

    def _check_means(self, model: ModelLike | None, sandbox: Sandbox | None) -> None:
        if self.needs_model and model is None:
            raise UsageError(f"{self.name} needs a model", fix="Pass bind(..., model=...): a chat model or a sampler")
        if self.needs_sandbox and sandbox is None:
            raise SandboxUnavailable(f"{self.name} needs a sandbox", fix="Pass bind(..., sandbox=open_sandbox())")
