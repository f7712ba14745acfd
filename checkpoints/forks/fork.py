"""A fork is a thread of its own that begins where a turn of another thread is decided: the source is never touched,
nothing before that decision runs again, and everything after it is sampled anew.

In our own files a fork shares the growing channels with the thread that it was forked from. Any other saver gets their
values, while the records of the calls before the fork stay with the source. A request that was interrupted is gone on
with by making it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Any, cast
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ...errors import UsageError
from ...graphs.build import Graph
from ...graphs.roles.designer import Designer
from ...graphs.roles.role import Role
from ...graphs.services import Services
from ...graphs.state import Run
from ..runner import thread_config
from ..sqlite import GroupCommitSaver
from .counterfactual import Edit, check_edit
from .decision_point import decision_of, line_of
from .forked import Fork, fork_of, unfinished
from .request import FORK, ForkRequest


def fork_runs(
    graph: Graph, thread_id: str, *, at: int | str, samples: int = 1, seed: int | None = None,
    edit: Edit | None = None, whole: bool = False,
) -> list[Fork]:  # fmt: skip
    """`samples` forks of a run, to go on with by `run_forks`, or by `graph.invoke(None, fork.config)` for each.

    `at` is the turn of the thread's last run that is to be decided anew, or the id of a checkpoint from which a turn is
    decided. The forks run with the policies of `graph`. `seed` None: theirs derive from the source's. `edit` changes
    the past (see `counterfactual.py`). `whole` copies what came before into each fork, for savers other than ours to
    read it in our files. The same request again, while forks of the last one are
    missing or unfinished, gives those. Raises UsageError for what cannot be forked so."""
    if samples < 1:
        raise UsageError(f"{samples} samples are no forks", fix="Ask for at least 1")
    services, saver = services_of(graph), saver_of(graph)
    decision = decision_of(saver, thread_id, at)
    run = cast(Run, decision.checkpoint["channel_values"]["run"])
    made = f"{run['system']}/{run['preset']}"
    if made != f"{services.system.name}/{services.preset.name}":
        raise UsageError(f"thread {thread_id!r} is a run of {made}", fix=f"Fork it with the graph of {made}")
    request = ForkRequest(
        graph, services, saver, decision, samples, run["seed"] if seed is None else seed, check_edit(edit),
        whole=whole,
    )  # fmt: skip
    batch, forks = _begun(request) or (uuid4().hex[:16], [])
    while len(forks) < samples:
        forks += _made(request, batch, [*islice(_free(request), samples - len(forks))])
    return sorted(forks, key=lambda fork: fork.origin["sample"])


def services_of(graph: Graph) -> Services:
    """What the nodes of one of our graphs are bound to. Raises UsageError for another graph."""
    node = graph.builder.nodes.get("designer")
    role = node.runnable if node is not None else None
    if not isinstance(role, Role) or not isinstance(role.step, Designer):
        raise UsageError("the graph is not one of build_graph", fix="Fork other graphs with LangGraph's time travel")
    return role.step.services


def saver_of(graph: Graph) -> BaseCheckpointSaver[Any]:
    """The graph's checkpointer, or UsageError."""
    if not isinstance(graph.checkpointer, BaseCheckpointSaver):
        raise UsageError("the graph has no checkpointer", fix="build_graph(..., checkpointer=open_checkpointer(URL))")
    return graph.checkpointer


def _named(request: ForkRequest) -> Iterator[tuple[int, CheckpointTuple | None]]:
    """The last checkpoint under each name that a fork may get; None: the name is free."""
    for number in count(1):
        yield number, request.saver.get_tuple(thread_config(request.name(number)))


def _free(request: ForkRequest) -> Iterator[int]:
    return (number for number, last in _named(request) if last is None)


def _begun(request: ForkRequest) -> tuple[str, list[Fork]] | None:
    """The batch of the latest equal request and its forks, where some of them are missing or can go on; None: there is
    none such."""
    taken = list[tuple[CheckpointTuple, Fork]]()
    for _, last in _named(request):
        if last is None:
            break
        if (fork := fork_of(last)) is not None and request.forks(fork.origin):
            taken.append((last, fork))
    batch, forks = None, list[Fork]()
    for last, fork in reversed(taken):
        *_, first = line_of(request.saver, last, fork.run)
        told: Any = first.metadata.get(FORK)
        if told["spec"] == request.spec and batch in (None, told["batch"]):
            batch = told["batch"]
            forks.append(fork)
        if len(forks) == request.samples:
            break
    complete = len(forks) == request.samples
    if batch is None or (complete and not any(unfinished(request.graph.get_state(one.config)) for one in forks)):
        return None
    return batch, forks


def _made(request: ForkRequest, batch: str, numbers: list[int]) -> list[Fork]:
    """These forks, without those whose names somebody else took meanwhile. Raises UsageError when the source is
    gone."""
    content, saver = request.content(), request.saver
    drafts = {request.name(number): request.draft(batch, number, content) for number in numbers}
    if isinstance(saver, GroupCommitSaver):
        saver.put_forks(request.decision.config, ((name, *draft) for name, draft in drafts.items()))
        if saver.get_tuple(request.decision.config) is None:
            raise UsageError(f"thread {request.thread_id!r} was deleted meanwhile", fix="Fork another one")
        if request.whole:
            saver.detach(*drafts)
    else:
        for name, (checkpoint, metadata) in drafts.items():
            where: RunnableConfig = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
            saver.put(where, checkpoint, metadata, checkpoint["channel_versions"])
    stored = [saver.get_tuple(thread_config(name)) for name in drafts]
    forks = [fork_of(one) for one in stored if one and one.checkpoint["id"] == drafts[_thread(one)][0]["id"]]
    return [fork for fork in forks if fork is not None]


def _thread(one: CheckpointTuple) -> str:
    return str(one.config["configurable"]["thread_id"])
