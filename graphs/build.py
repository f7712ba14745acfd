"""One way to make a graph: a system, its policies and a place for checkpoints. The five roles are five nodes."""

from __future__ import annotations

from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from ..errors import UsageError
from ..operators.registry import Registry
from ..policies.policies import Policies
from .agentflow import AgentFlow
from .context import Context
from .dispatch import Work
from .dyflow import DyFlow
from .flowsteer import FlowSteer
from .journal import Journal, NoJournal
from .roles.designer import Designer
from .roles.executor import Executor
from .roles.generator import Generator
from .roles.relay import Relay
from .roles.role import Role
from .roles.summarizer import Summarizer
from .roles.verifier import Verifier
from .services import Services
from .state import Input, Output, State
from .system import Preset, System

Graph = CompiledStateGraph[State, Context, Input, Output]
SYSTEMS: Final[dict[str, System]] = {"dyflow": DyFlow(), "agentflow": AgentFlow(), "flowsteer": FlowSteer()}
DURABILITY_KEY: Final = "__pregel_durability"
"""Where LangGraph looks for the durability of a call that names none; its default loses finished steps on a kill."""


def build_graph(
    system: str | System,
    *,
    policies: Policies,
    preset: str = "default",
    operators: Registry | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    journal: Journal | None = None,
) -> Graph:
    """The graph of `system`, ready for `invoke`, `ainvoke`, `stream` and `batch`, as a graph, a node or a subgraph.

    `policies` says which model plays which role; the generator and the summarizer may be left out (the executor words
    the answer; the view is deterministic). `operators` None: all that are installed. `checkpointer` None: the parent
    graph's or the server's, or no persistence. `journal` None: the checkpointer's own where it has one; pass one to
    keep finished calls when the checkpointer is not yours. Raises UsageError for an unknown system, preset, operator
    or model."""
    chosen = system_named(system) if isinstance(system, str) else system
    services = Services(
        system=chosen,
        preset=preset_named(chosen, preset),
        registry=operators if operators is not None else Registry.load(),
        policies=policies.resolve(),
        journal=journal_of(checkpointer) if journal is None else journal,
    )
    for role in ("designer", "executor"):
        services.policy(role)
    services.registry.allow(services.preset.operators)
    compiled = role_graph(services).compile(checkpointer=checkpointer, name=chosen.name)
    # Only beside a checkpointer of its own: without one LangGraph has nothing to wait for, and under a parent graph the
    # parent's durability holds.
    return compiled if checkpointer is None else compiled.with_config({"configurable": {DURABILITY_KEY: "sync"}})


def role_graph(services: Services) -> StateGraph[State, Context, Input, Output]:
    """The five nodes and their edges. The summarizer of later turns shares the verifier's super-step, unless it has a
    model to ask."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    summarizer, verifier = Role("summarizer", Summarizer(services)), Role("verifier", Verifier(services))
    asks = "summarizer" in services.policies
    roles: list[tuple[str, Any, Any, tuple[str, ...]]] = [
        ("summarizer", summarizer, State, ("summarizer", "designer")),
        ("designer", Role("designer", Designer(services)), State, ("designer", "executor", "verifier")),
        ("executor", Role("executor", Executor(services)), Work, ()),
        (
            "verifier", verifier if asks else Relay(verifier, summarizer), State,
            ("executor", "summarizer" if asks else "designer", "generator"),
        ),
        ("generator", Role("generator", Generator(services)), State, (END,)),
    ]  # fmt: skip
    for name, node, given, destinations in roles:
        if destinations:
            graph.add_node(name, node, input_schema=given, destinations=destinations)
        else:
            graph.add_node(name, node, input_schema=given)
    graph.add_edge(START, "summarizer")
    graph.add_edge("executor", "verifier")
    return graph


def journal_of(checkpointer: object) -> Journal:
    """The checkpointer itself where it is a journal too."""
    return checkpointer if isinstance(checkpointer, Journal) else NoJournal()


def system_named(name: str) -> System:
    """One of the published systems, or UsageError."""
    if name not in SYSTEMS:
        raise UsageError(f"unknown system {name!r}", fix=f"known: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def preset_named(system: System, name: str) -> Preset:
    """A preset of `system`, or UsageError."""
    if name not in system.presets:
        raise UsageError(f"{system.name} has no preset {name!r}", fix=f"known: {', '.join(system.presets)}")
    return system.presets[name]
