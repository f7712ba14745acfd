"""What the nodes of one compiled graph are bound to. Configuration only: nothing here changes while runs go on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..errors import UsageError
from ..operators.registry import OURS, Registry
from ..operators.sandbox import Sandbox, open_sandbox
from ..policies.policy import Policy
from .call import Caller
from .journal import Journal
from .state import Place, State
from .system import Preset, Scene, System


@dataclass(frozen=True)
class Services:
    """System, operators, policies by role, journal and sandbox of one graph."""

    system: System
    preset: Preset
    registry: Registry
    policies: dict[str, Policy]
    journal: Journal

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

    def caller(self, run: Place, role: str, place: str, *, calls: float | None, seconds: float | None) -> Caller:
        """A caller for one decision or operation of `role`, with what it may spend (None: unlimited)."""
        return Caller(
            self.policy(role), self.journal, run=run["id"], place=f"{run['turn']}/{role}/{place}", seed=run["seed"],
            calls=calls, seconds=seconds, sampling=self.preset.executor if role == "executor" else None,
        )  # fmt: skip
