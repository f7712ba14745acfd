"""Rebuilding a delta channel gives what LangGraph's own walks give, on every checkpoint of threads with forks."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, Any

from flowwright import open_checkpointer
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict


def extend(held: list[Any], writes: list[list[Any]]) -> list[Any]:
    return [*held, *(item for write in writes for item in write)]


class Held(TypedDict, total=False):
    often: Annotated[list[int], DeltaChannel(extend, snapshot_frequency=3)]
    seldom: Annotated[list[int], DeltaChannel(extend, snapshot_frequency=50)]
    count: Annotated[int, operator.add]


def graph_on(saver: BaseCheckpointSaver[str]) -> Any:
    graph = StateGraph(Held)
    graph.add_node("fan", lambda state: {"count": 1, "seldom": [state["count"]]})
    graph.add_node("work", lambda item: {"often": [item["n"]]})
    graph.add_conditional_edges("fan", lambda _: [Send("work", {"n": n}) for n in range(3)], ["work"])
    graph.add_edge(START, "fan")
    return graph.compile(checkpointer=saver)


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=1, max_size=7))
@settings(max_examples=25, deadline=None)
def test_histories_equal_langgraphs_own_on_forked_threads(moves: list[int | None]) -> None:
    import tempfile

    config: Any = {"configurable": {"thread_id": "t"}}
    channels = ["often", "seldom"]
    with tempfile.TemporaryDirectory() as folder, open_checkpointer(f"sqlite:///{Path(folder) / 'runs.db'}") as saver:
        graph = graph_on(saver)
        graph.invoke({"count": 0}, config)
        for move in moves:
            history = list(graph.get_state_history(config))
            if move is None:
                graph.invoke({"count": 1}, config)
            else:
                old = history[move % len(history)].config
                graph.invoke(None, graph.update_state(old, {"often": [-1]}, as_node="fan"))
        for snapshot in graph.get_state_history(config):
            ours = saver.get_delta_channel_history(config=snapshot.config, channels=channels)
            assert ours == BaseCheckpointSaver.get_delta_channel_history(
                saver, config=snapshot.config, channels=channels
            )
            assert ours == SqliteSaver.get_delta_channel_history(saver, config=snapshot.config, channels=channels)
