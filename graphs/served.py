"""Graphs for a LangGraph server. The server brings its own checkpointer, so none is compiled in."""

from __future__ import annotations

import os

from ..policies.policies import Policies
from .build import Graph, build_graph


def dyflow() -> Graph:
    """DyFlow with the model named by FLOWWRIGHT_MODEL for every role; offline where none is named."""
    model = os.environ.get("FLOWWRIGHT_MODEL", "offline")
    return build_graph("dyflow", policies=Policies(designer=model, executor=model))
