"""What the nodes of one compiled graph are bound to. Configuration only: nothing here changes while runs go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from langgraph.runtime import Runtime

from ..errors import UsageError
from ..operators.registry import OURS, Registry
from ..operators.sandbox import Sandbox, open_sandbox
from ..policies.policy import Policy
from .budget import left
from .call import Caller
from .call_record import CallRecord
from .context import Context
from .journal import Journal
from .kept import KeptOperation
from .prompt_delta import lineage, spoken_in
from .state import Place, State
from .system import Preset, Scene, System
from .where import Where

DEEP: Final = 32
"""Prompts that may rest on one another before one that is written anew is kept whole."""


@dataclass(frozen=True)
class Services:
    """System, operators, policies by role, journal and sandbox of one graph."""

    system: System
    preset: Preset
    registry: Registry
    policies: dict[str, Policy]
    journal: Journal
    kept: Mapping[str, KeptOperation] = field(default_factory=dict)
    """Operations by id that are on record and are taken as they were where they are planned again."""

    @cached_property
    def sandbox(self) -> Sandbox:
        """Opened at the first operation that runs code, so that a graph without such operations needs none."""
        return open_sandbox()

    @cached_property
    def offered(self) -> tuple[str, ...]:
        """Operators that a designer may name: the preset's, and what others added where the preset takes it."""
        registry = self.registry
        added = [name for name in registry if registry.source(name) != OURS] if self.preset.added else []
        return (*self.preset.operators, *added)

    def scene(self, state: State) -> Scene:
        """What the system sees of `state`."""
        allowed = state["run"]["operators"]
        names = [name for name in self.offered if allowed is None or name in allowed]
        return Scene.of(state, self.preset, self.registry.allow(names))

    def policy(self, role: str) -> Policy:
        """The policy of `role`; the executor's stands in for any role but the designer. Raises UsageError."""
        name = role if role in self.policies or role == "designer" else "executor"
        if name not in self.policies:
            raise UsageError(f"no policy for the {name}", fix=f"pass Policies({name}=...)")
        return self.policies[name]

    def asking(self, state: State, runtime: Runtime[Context], role: str, place: str, index: int = 0) -> Caller:
        """A caller for one decision of `role`, with what is left to spend; `place` and its number `index` say which of
        the role's calls in this turn it is."""
        calls, seconds = (left(state["budget"], state["usage"], name) for name in ("calls", "seconds"))
        return self.caller(state["run"], runtime, role, place, index, calls, seconds, state.get("calls", []))

    def caller(
        self, run: Place, runtime: Runtime[Context], role: str, place: str, index: int, calls: float | None,
        seconds: float | None, earlier: Sequence[CallRecord] = (),
    ) -> Caller:  # fmt: skip
        """A caller for one decision or operation of `role`, with what it may spend (None: unlimited). Its prompts are
        kept as what they add to the last of the `earlier` calls in the same role."""
        policy = self.policy(role)
        before = next((one for one in reversed(earlier) if one["role"] == role and usable(one, policy)), None)
        line = [] if before is None else lineage(before, {one["id"]: one for one in earlier})
        return Caller(
            policy, self.journal, run=run["id"], turn=run["turn"], role=role, place=place, index=index,
            seed=run["seed"], calls=calls, seconds=seconds, where=Where.of(runtime),
            sampling=self.preset.executor if role == "executor" else None,
            parent=spoken_in(line), deep=len(line) >= DEEP,
        )  # fmt: skip


def usable(call: CallRecord, policy: Policy) -> bool:
    """Whether a prompt can be told relative to `call`: it was answered, by the model that is asked now."""
    return call["error"] is None and call["policy"] == policy.name
