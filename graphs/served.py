"""Graphs for a LangGraph server. The server brings its own checkpointer, so none is compiled in."""

from __future__ import annotations

import os

from ..policies.policies import Policies
from .build import Graph, build_graph


def dyflow() -> Graph:
    """DyFlow with the model named by FLOWWRIGHT_MODEL for every role; offline where none is named."""
    return served("dyflow")


def agentflow() -> Graph:
    """AgentFlow, likewise."""
    return served("agentflow")


def flowsteer() -> Graph:
    """FlowSteer, likewise."""
    return served("flowsteer")


def served(system: str) -> Graph:
    """The graph of `system` with the model that the environment names."""
    model = os.environ.get("FLOWWRIGHT_MODEL", "offline")
    return build_graph(system, policies=Policies(designer=model, executor=model))
