"""Agents that design their own workflow while they run, as checkpointed LangGraph graphs.

Importing this package is cheap: each public name loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoints.export.export import export
    from .checkpoints.forks.fork import fork_runs
    from .checkpoints.open import open_checkpointer
    from .checkpoints.recording.recorder import recorded
    from .checkpoints.trajectories.load import load_trajectories
    from .checkpoints.trajectories.selection import Selection
    from .errors import FlowwrightError, UsageError
    from .graphs.build import build_graph
    from .graphs.context import Context
    from .graphs.tool import as_tool
    from .policies.policies import Policies

__all__ = [
    "Context",
    "FlowwrightError",
    "Policies",
    "Selection",
    "UsageError",
    "as_tool",
    "build_graph",
    "export",
    "fork_runs",
    "load_trajectories",
    "open_checkpointer",
    "recorded",
]

_HOMES = {
    "Context": ".graphs.context",
    "FlowwrightError": ".errors",
    "Policies": ".policies.policies",
    "Selection": ".checkpoints.trajectories.selection",
    "UsageError": ".errors",
    "as_tool": ".graphs.tool",
    "build_graph": ".graphs.build",
    "export": ".checkpoints.export.export",
    "fork_runs": ".checkpoints.forks.fork",
    "load_trajectories": ".checkpoints.trajectories.load",
    "open_checkpointer": ".checkpoints.open",
    "recorded": ".checkpoints.recording.recorder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
