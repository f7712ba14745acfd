"""Many durable runs at once against the one bound that no client can beat: model calls in series, times their latency.

Every run is a thread in a SQLite file with group commit and synchronous=FULL; every model call goes over HTTP to a
scripted server in a process of its own (`scripted_endpoint.py`) that answers after a fixed latency L. Starts are
staggered over one L. After the runs the files are opened anew, and a run counts only if its final checkpoint is there,
finished, with the answer to its own question; the server says how many calls were made.

    python benchmarks/concurrency.py --quick     # 32 runs of each system at 200 ms: 20 seconds
    python benchmarks/concurrency.py             # all cases, ten minutes; stores them in benchmarks/results/

The cores are shared with the scripted server and whatever else the machine does, so what others used of them is stored
with each case: read CPU per run first, ratios to the bound second. Wall time of a case with busy others means nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import aiohttp
from concurrency_worker import Case, percentile
from flowwright import Policies
from flowwright.checkpoints.session import Session
from flowwright.errors import UsageError
from rich.console import Console
from rich.table import Table
from scripted_replies import MARKS, answer, course, question

HERE: Final = Path(__file__).parent
SYSTEMS: Final = ("dyflow", "agentflow", "flowsteer")
QUIET: Final = 0.3
"""Cores that others may use on a machine that counts as quiet."""


def quick() -> list[Case]:
    """A look at each system."""
    return [Case(system, "vllm", runs=32, latency=0.2, processes=1) for system in SYSTEMS]


def full() -> list[Case]:
    """Every combination that is reported, one system after the other within each, so that a busy minute hits all."""
    kinds = [
        ("vllm", 200, 0.05, 1, True), ("vllm", 200, 0.05, 2, True),
        ("vllm", 256, 0.5, 1, True), ("vllm", 256, 0.5, 2, True), ("vllm", 256, 0.5, 2, False),
        ("vllm", 256, 1.0, 1, True), ("vllm", 256, 1.0, 2, True),
        ("openai", 256, 1.0, 1, True), ("openai", 256, 1.0, 2, True),
    ]  # fmt: skip
    return [Case(system, *kind) for kind in kinds for system in SYSTEMS]


@contextmanager
def served(latency: float, folder: Path) -> Iterator[str]:
    """The address of a scripted server that lives as long as the block."""
    port_file = folder / "port"
    command = [sys.executable, str(HERE / "scripted_endpoint.py"), "--port-file", str(port_file)]
    process = subprocess.Popen([*command, "--latency", str(latency)])
    try:
        while not port_file.exists():
            if process.poll() is not None:
                raise RuntimeError("the scripted server did not start")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text()}"
    finally:
        process.terminate()
        process.wait()
        port_file.unlink(missing_ok=True)


def stats(url: str) -> dict[str, Any]:
    """What the server counted so far."""
    with urllib.request.urlopen(f"{url}/stats") as answered:
        told: dict[str, Any] = json.load(answered)
    return told


def measure(case: Case) -> dict[str, Any]:
    """One case, with a server of its own."""
    with tempfile.TemporaryDirectory() as name, served(case.latency, Path(name)) as url:
        load = os.getloadavg()[0]
        places = [f"sqlite:///{name}/{worker}.db" for worker in range(case.processes)]
        workers = [start(case, worker, place, f"{url}/v1") for worker, place in enumerate(places)]
        for one in workers:
            line = one.stdout.readline()  # type: ignore[union-attr]
            if line.strip() != "ready":
                raise RuntimeError(f"a worker did not start: {line}")
        before, busy, began = stats(url), busy_seconds(), time.perf_counter()
        told = [ended(one) for one in [go(one) for one in workers]]
        busy, wall, after = busy_seconds() - busy, time.perf_counter() - began, stats(url)
        kept = sum(finished_right(case, worker, place) for worker, place in enumerate(places))
    ours = sum(worker["cpu_s"] for worker in told) + after["cpu_s"] - before["cpu_s"]
    around = {"load_before": load, "load_after": os.getloadavg()[0], "others_cores": max(0.0, busy - ours) / wall}
    row = report(case, told, before, after, kept) | around
    return row | {"bound_by": bound_by(row)}


def busy_seconds() -> float:
    """CPU seconds that this machine has spent on anything, stolen ones included."""
    user, nice, system, _, _, irq, softirq, steal = (
        int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def start(case: Case, worker: int, location: str, url: str) -> subprocess.Popen[str]:
    """A worker process."""
    order = json.dumps({"case": asdict(case), "worker": worker, "location": location, "url": url})
    command = [sys.executable, str(HERE / "concurrency_worker.py"), order]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(worker: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Start its clock."""
    worker.stdin.write("go\n")  # type: ignore[union-attr]
    worker.stdin.flush()  # type: ignore[union-attr]
    return worker


def ended(worker: subprocess.Popen[str]) -> dict[str, Any]:
    """What it measured."""
    out, _ = worker.communicate()
    if worker.returncode:
        raise RuntimeError(f"a worker failed with exit code {worker.returncode}")
    told: dict[str, Any] = json.loads(out)
    return told


def finished_right(case: Case, worker: int, location: str) -> int:
    """Runs of a worker whose last checkpoint on disk is finished and answers their own question."""
    nobody = Policies(designer="vllm:scripted", executor="vllm:scripted")
    with Session(location, system=case.system, policies=nobody, create=False) as session:
        return sum(is_right(session, number) for number in case.share(worker))


def is_right(session: Session, number: int) -> bool:
    """Whether one run is there, finished, and right."""
    try:
        state = session.state(f"run-{number}")
    except UsageError:
        return False
    return state["status"] == "finished" and state["answer"] == answer(number)


def report(
    case: Case, told: list[dict[str, Any]], before: dict[str, Any], after: dict[str, Any], kept: int
) -> dict[str, Any]:
    """The row of one case."""
    seconds = [one for worker in told for one in worker["seconds"]]
    wall, cpu = max(worker["wall_s"] for worker in told), sum(worker["cpu_s"] for worker in told)
    p50, p95 = percentile(seconds, 50), percentile(seconds, 95)
    return {
        **asdict(case), "series": course(case.system).series, "bound_s": case.bound, "wall_s": wall,
        "p50_s": p50, "p95_s": p95, "p50_over_bound": p50 / case.bound, "p95_over_bound": p95 / case.bound,
        "cpu_ms_a_run": 1e3 * cpu / case.runs, "cpu_ms_a_call": 1e3 * cpu / (case.runs * course(case.system).calls),
        "cores_a_process": cpu / wall / case.processes, "peak_mb": max(worker["peak_mb"] for worker in told),
        "idle_mb": max(worker["idle_mb"] for worker in told), "lag_ms_p95": max(w["lag_ms_p95"] for w in told),
        "lost": case.runs - kept, "calls": after["requests"] - before["requests"],
        "calls_expected": case.runs * course(case.system).calls, "most_at_once": after["busiest"],
        "server_cores": (after["cpu_s"] - before["cpu_s"]) / wall, "loop": told[0]["loop"],
    }  # fmt: skip


def bound_by(row: dict[str, Any]) -> str:
    """What keeps the runs of a case from being faster, in one line."""
    if row["p50_over_bound"] <= 1.15:
        return "latency: within 15 % of the bound"
    if row["cores_a_process"] > 0.85:
        return f"CPU of the client: {row['cpu_ms_a_call']:.1f} ms a call fill each process's core"
    ours = row["cores_a_process"] * row["processes"] + row["server_cores"]
    if ours + row["others_cores"] > 0.85 * (os.cpu_count() or 1):
        return f"the machine: {ours:.1f} cores of ours, {row['others_cores']:.1f} of others"
    return f"waves: a loop {row['cores_a_process']:.0%} busy serves all that woke before the first goes on"


def lone(system: str, latency: float = 0.5) -> dict[str, Any]:
    """One run alone: its calls in series, as measured, and what it adds to their latency."""
    row = measure(Case(system, "vllm", runs=1, latency=latency, processes=1))
    return {
        "series": course(system).series, "series_measured": int(row["p50_s"] / latency), "calls": row["calls"],
        "added_ms_a_call": 1e3 * (row["p50_s"] - row["bound_s"]) / row["series"],
    }  # fmt: skip


async def hammer(url: str, requests: int, at_once: int = 64) -> float:
    """Requests a second of a bare aiohttp client, which reads the answers and does nothing with them."""
    system = next(iter(MARKS)) + "\n" + "x" * 6000
    body = {
        "model": "scripted", "logprobs": True, "return_token_ids": True,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": question(1, 3) + '"turn": 1'}],
    }  # fmt: skip
    left = iter(range(requests))

    async def one(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(f"{url}/v1/chat/completions", json=body) as answered:
                await answered.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(one(session) for _ in range(at_once)))
        return requests / (time.perf_counter() - began)


def capacity(requests: int = 3000) -> dict[str, float]:
    """What the server can do, so that nobody takes its limit for ours."""
    with tempfile.TemporaryDirectory() as name, served(0.0, Path(name)) as url:
        rate = asyncio.run(hammer(url, requests))
        return {"requests_a_second": rate, "server_cpu_ms_a_request": 1e3 * stats(url)["cpu_s"] / requests}


def table_of(rows: list[dict[str, Any]]) -> Table:
    """The rows as people read them."""
    table = Table(title="Concurrent durable runs (SQLite, group commit, FULL)", title_justify="left")
    for name in ("system", "policy", "runs", "L", "procs", "bound", "p50", "p95", "p50/bound", "CPU ms/run"):
        table.add_column(name, justify="left" if name in ("system", "policy") else "right")
    for name in ("cores/proc", "MB", "lost", "calls", "others", "bound by"):
        table.add_column(name, justify="left" if name == "bound by" else "right")
    for row in rows:
        calls = "all" if row["calls"] == row["calls_expected"] else f"{row['calls']}/{row['calls_expected']}"
        table.add_row(
            row["system"], row["policy"] + ("" if row["tuned"] else " plain"), str(row["runs"]),
            f"{row['latency'] * 1e3:.0f} ms", str(row["processes"]), f"{row['bound_s']:.2f} s", f"{row['p50_s']:.2f}",
            f"{row['p95_s']:.2f}", f"x{row['p50_over_bound']:.2f}", f"{row['cpu_ms_a_run']:.0f}",
            f"{row['cores_a_process']:.2f}", f"{row['peak_mb']:.0f}", str(row["lost"]), calls,
            f"{row['others_cores']:.2f}", row["bound_by"],
        )  # fmt: skip
    return table


def wait_for_quiet(patience: float) -> None:
    """Returns once others leave the machine alone for three seconds, or patience, in seconds, is at its end."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        busy, began = busy_seconds(), time.perf_counter()
        time.sleep(3)
        if busy_seconds() - busy < QUIET * (time.perf_counter() - began):
            return


def quietest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of all measurements of a case the one during which others used the machine least."""
    best: dict[Case, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda one: -float(one["others_cores"])):
        best[Case(**{field.name: row[field.name] for field in fields(Case)})] = row
    return sorted(best.values(), key=rows.index)


def chosen(given: argparse.Namespace) -> list[Case]:
    """The cases that the command line asks for."""
    cases = quick() if given.quick else full()
    if given.runs:
        cases = [replace(case, runs=given.runs) for case in cases]
    wanted = [case for case in cases if given.only in f"{case.system} {case.policy} {case.latency} {case.processes}"]
    return wanted * int(given.rounds)


def machine() -> dict[str, Any]:
    """What it was measured on."""
    names = ("langgraph", "langchain-core", "langchain-openai", "aiohttp", "uvloop")
    versions = {name: version(name) for name in names if find_spec(name.replace("-", "_"))}
    return {"cores": os.cpu_count(), "python": platform.python_version(), "versions": versions}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="32 runs of each system; stores nothing unless --out")
    parser.add_argument("--only", default="", help="cases whose `SYSTEM POLICY LATENCY PROCESSES` contains this")
    parser.add_argument("--runs", type=int, help="so many runs in each case")
    parser.add_argument("--rounds", type=int, default=1, help="measure all so often; the quietest of each is shown")
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for a quiet machine, each time")
    parser.add_argument("--add", action="store_true", help="keep the measurements that are stored already")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    out = given.out or (None if given.quick or given.only or given.runs else HERE / "results" / "concurrency.json")
    stored = json.loads(out.read_text()) if out and given.add and out.exists() else {}
    console, rows = Console(width=220), list[dict[str, Any]](stored.get("cases", []))
    wait_for_quiet(given.patience)
    result: dict[str, Any] = {"machine": machine(), "staggered_over": "one latency", "server": capacity()}
    result |= {"alone": {} if given.quick else {system: lone(system) for system in SYSTEMS}, "cases": rows}
    for case in chosen(given):
        wait_for_quiet(given.patience)
        rows.append(measure(case))
        if out is not None:  # after each, so that a run that is interrupted has told something
            out.write_text(json.dumps(result, indent=2) + "\n")
        console.print(f"[dim]{len(rows)}: {case} p50 x{rows[-1]['p50_over_bound']:.2f}, {rows[-1]['bound_by']}[/]")
    console.print(table_of(quietest(rows)))
    console.print({name: result[name] for name in ("server", "alone")})


if __name__ == "__main__":
    main()
