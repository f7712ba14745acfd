"""A worker process: drives its share of the runs of one case and tells what they took.

Invariant: nothing but the runs is between the two readings of the clocks: imports, prompts and connections are there
once in the life of a worker, so some runs go before; results are printed after.

It is started by `concurrency.py` with a JSON order, prints `ready`, waits for a line, and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.runner import start_run
from scripted_replies import course, question

WARM: Final = 4
"""Runs before the clock starts."""
GC_THRESHOLD: Final = 50_000


@dataclass(frozen=True)
class Case:
    """One measurement."""

    system: str
    policy: str
    """Scheme of the address: `vllm` (token ids and log-probs with each reply) or `openai`."""
    runs: int
    latency: float
    """Seconds."""
    processes: int
    """Each has a file of its own."""
    tuned: bool = True
    """uvloop where it is installed, the heap frozen after the warm-up, fewer collections."""

    @property
    def bound(self) -> float:
        """Seconds that no run can beat."""
        return course(self.system).series * self.latency

    def share(self, worker: int) -> range:
        """Numbers of the runs of one worker."""
        return range(worker, self.runs, self.processes)


async def drive(case: Case, worker: int, location: str, url: str) -> dict[str, Any]:
    """Run the share of one worker. Says `ready` after the warm-up and waits for a line before the clock starts."""
    model = f"{case.policy}:scripted@{url}"
    with open_checkpointer(location) as saver:
        policies = Policies(designer=model, executor=model)
        graph = build_graph(case.system, policies=policies, checkpointer=saver)
        turns, seconds = course(case.system).turns, list[float]()

        async def run(number: int, prefix: str) -> float:
            began = time.perf_counter()
            await start_run(graph, {"question": question(number, turns)}, f"{prefix}-{number}", Context(seed=number))
            return time.perf_counter() - began

        async def later(place: int, number: int) -> None:
            await asyncio.sleep(place * case.latency / len(case.share(worker)))
            seconds.append(await run(number, "run"))

        await asyncio.gather(*(run(number, "warm") for number in range(WARM)))
        if case.tuned:
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD, 20, 20)
        idle_mb = resident_mb()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        late = [0.0]
        watch, wall, cpu = asyncio.create_task(watched(late)), time.perf_counter(), time.process_time()
        await asyncio.gather(*(later(place, number) for place, number in enumerate(case.share(worker))))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        watch.cancel()
    return {
        "seconds": seconds, "wall_s": wall, "cpu_s": cpu, "idle_mb": idle_mb, "peak_mb": peak_mb(),
        "lag_ms_p95": 1e3 * percentile(late, 95), "loop": type(asyncio.get_running_loop()).__module__,
    }  # fmt: skip


async def watched(late: list[float]) -> None:
    """Notes twenty times a second by how many seconds the event loop wakes a sleeper too late."""
    while True:
        due = time.perf_counter() + 0.05
        await asyncio.sleep(0.05)
        late.append(time.perf_counter() - due)


def peak_mb() -> float:
    """Most resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_mb() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def main() -> None:
    """Carries out the order in the first argument."""
    order = json.loads(sys.argv[1])
    case = Case(**order["case"])
    factory = None
    if case.tuned and find_spec("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        print(json.dumps(runner.run(drive(case, order["worker"], order["location"], order["url"]))), flush=True)


if __name__ == "__main__":
    main()
