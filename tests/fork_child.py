"""The process that gets killed while it forks: it makes the forks of a stored run and drives them, against a server in
another process."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from flowwright import open_checkpointer
from flowwright.checkpoints.forks.fork import fork_runs
from flowwright.checkpoints.forks.forked import run_forks
from kill_child import BOUNDARIES, Boundary, deadly, graph_of

SAMPLES: Final = 3


def fork(system: str, path: str, url: str, turn: int, boundary: Boundary | None, tell: Any = None) -> None:
    """Forks of thread `t` at a turn. `boundary`: die there. `tell`: where to send the threads, answers and boundaries
    crossed."""
    found = asyncio.run(_fork(system, path, url, turn, boundary))
    if tell is not None:
        tell.send(found)


async def _fork(system: str, path: str, url: str, turn: int, boundary: Boundary | None) -> Any:
    with open_checkpointer(f"sqlite:///{path}") as saver:
        crossed = [0]
        for name in BOUNDARIES:
            setattr(saver, name, deadly(getattr(saver, name), crossed, boundary))
        graph = graph_of(system, url, saver)
        forks = fork_runs(graph, "t", at=turn, samples=SAMPLES)
        results = await run_forks(graph, forks)
        return [(one.thread_id, one.seed) for one in forks], [one.answer for one in results], crossed[0]
