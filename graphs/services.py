"""What the nodes of one compiled graph are bound to. Configuration only: nothing here changes while runs go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from langgraph.runtime import Runtime

from ..errors import UsageError
from ..operators.registry import OURS, Registry
from ..operators.sandbox import Sandbox, open_sandbox
from ..policies.policy import Policy
from .budget import left
from .call import Caller
from .context import Context
from .conversation import last_call
from .journal import Journal
from .kept import KeptOperation
from .prompt_delta import restored
from .state import Place, State
from .system import Preset, Scene, System
from .where import Where


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
        the role's calls in this turn it is. Its prompt is kept as what it adds to the role's last one."""
        calls, seconds = (left(state["budget"], state["usage"], name) for name in ("calls", "seconds"))
        caller = self.caller(state["run"], runtime, role, place, index, calls, seconds)
        before = last_call(state, role)
        if before is not None and before["policy"] == caller.policy.name:
            caller.parent = restored(before, None)
        return caller

    def caller(
        self, run: Place, runtime: Runtime[Context], role: str, place: str, index: int, calls: float | None,
        seconds: float | None,
    ) -> Caller:  # fmt: skip
        """A caller for one decision or operation of `role`, with what it may spend (None: unlimited)."""
        return Caller(
            self.policy(role), self.journal, run=run["id"], turn=run["turn"], role=role, place=place, index=index,
            seed=run["seed"], calls=calls, seconds=seconds, where=Where.of(runtime),
            sampling=self.preset.executor if role == "executor" else None,
        )  # fmt: skip
