"""A run that is killed again and again ends like one that never was, and nothing that was recorded is done twice. The
witness is a model server in another process: it logs each request with its idempotency key."""

from __future__ import annotations

import json
import multiprocessing
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import kill_child
import pytest
from flowwright import Policies, build_graph, open_checkpointer
from flowwright.checkpoints.runner import has_work

HERE = Path(__file__).parent
RANDOM_KILLS = 100
pytestmark = [pytest.mark.kill, pytest.mark.timeout(900)]


@dataclass
class Witness:
    """The server and its log."""

    url: str
    log: Path

    def keys(self, first: int = 0) -> list[str]:
        """Idempotency keys of the requests received, from number `first` on."""
        events = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [event["key"] for event in events if event["event"] == "received"][first:]


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    folder = tmp_path_factory.mktemp("witness")
    port, log = folder / "port", folder / "log"
    command = [sys.executable, str(HERE / "scripted_server.py"), "--port-file", str(port), "--log", str(log)]
    server = subprocess.Popen([*command, "--script", str(HERE / "kill_script.py"), "--latency", "0.004"])
    while not port.exists():
        time.sleep(0.02)
    log.touch()
    yield Witness(f"http://127.0.0.1:{port.read_text()}/v1", log)
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kill_child"])
    return context


def recorded(path: Path) -> set[str]:
    """Keys of the journal, read from the file a dead process left."""
    if not path.exists():
        return set()
    with sqlite3.connect(path) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        return {row[0] for row in database.execute("SELECT key FROM journal")} if "journal" in tables else set()


def final_state(path: Path) -> dict[str, Any]:
    """The state of the finished run, without what is random (its id) or measured (seconds)."""
    with open_checkpointer(f"sqlite:///{path}") as saver:
        graph = build_graph("dyflow", policies=Policies(designer="offline", executor="offline"), checkpointer=saver)
        snapshot = graph.get_state({"configurable": {"thread_id": "t"}})
    assert not has_work(snapshot)
    values = {**snapshot.values, "messages": [message.text for message in snapshot.values["messages"]]}
    plain = json.loads(json.dumps(values).replace(values["run"]["id"], "RUN"))
    _zero_seconds(plain)
    return plain


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two states differ, for the message of a failed test."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [line for key in {**one, **other} for line in differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            line for n, pair in enumerate(zip(one, other, strict=True)) for line in differences(*pair, f"{path}[{n}]")
        ]
    return [] if one == other else [f"{path}: {one!r} != {other!r}"]


def _zero_seconds(value: Any) -> None:
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _zero_seconds(inner)
    if isinstance(value, dict):
        value.update({name: 0 for name in value if name == "seconds"})


@dataclass
class Trial:
    """One run, killed and taken up until it ends."""

    witness: Witness
    processes: ForkServerContext
    path: Path
    kills: int = 0
    in_flight: list[str] = field(default_factory=list)
    """Keys that were asked for again after a kill."""

    def live(self, boundary: tuple[int, str] | None = None, seconds: float | None = None) -> bool:
        """One life of the run; whether it reached its end. Checks that what was recorded when the last life ended is
        not asked for in this one."""
        before, known = len(self.witness.keys()), recorded(self.path)
        earlier = set(self.witness.keys())
        child = self.processes.Process(target=kill_child.run, args=(str(self.path), self.witness.url, boundary))
        child.start()
        child.join(seconds)
        if child.is_alive():
            child.kill()
            child.join()
        asked = self.witness.keys(before)
        assert known.isdisjoint(asked), "a recorded call was made again"
        self.in_flight += [key for key in asked if key in earlier]
        assert child.exitcode in (0, -9)
        self.kills += child.exitcode != 0
        return child.exitcode == 0


@pytest.fixture(scope="module")
def unbroken(
    witness: Witness, processes: ForkServerContext, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], int, float]:
    """The run that nobody kills: its final state, the boundaries it crosses and the seconds it takes."""
    path = tmp_path_factory.mktemp("unbroken") / "runs.db"
    receiver, sender = processes.Pipe(duplex=False)
    child = processes.Process(target=kill_child.run, args=(str(path), witness.url, None, sender))
    began = time.monotonic()
    child.start()
    crossed = receiver.recv()
    child.join()
    return final_state(path), crossed, time.monotonic() - began


def test_the_unbroken_run_uses_every_kind_of_step(unbroken: tuple[dict[str, Any], int, float]) -> None:
    state, crossed, _ = unbroken
    assert [turn["outcome"] for turn in state["turns"]] == ["refused", "plan", "plan", "finish"]
    assert {one["status"] for one in state["operations"]} == {"ok"}
    assert (state["status"], state["answer"], state["usage"]["calls"]) == ("finished", "42", 15)
    assert crossed > 50


def test_killed_at_every_persistence_boundary(
    unbroken: tuple[dict[str, Any], int, float], witness: Witness, processes: ForkServerContext, tmp_path: Path
) -> None:
    state, crossed, _ = unbroken
    kills = 0
    for number in range(1, crossed + 1):
        trial = Trial(witness, processes, tmp_path / f"{number}.db")
        if not trial.live((number, "before" if number % 2 else "after")):
            assert trial.live()
        kills += trial.kills
        assert differences(final_state(trial.path), state) == []
        assert len(trial.in_flight) <= 6, "more was repeated than could have been in flight"
    assert kills >= crossed - 5


def test_killed_at_random_moments(
    unbroken: tuple[dict[str, Any], int, float], witness: Witness, processes: ForkServerContext, tmp_path: Path
) -> None:
    state, _, seconds = unbroken
    rng = random.Random(5)
    kills = number = 0
    while kills < RANDOM_KILLS:
        number += 1
        trial = Trial(witness, processes, tmp_path / f"{number}.db")
        while not trial.live(seconds=rng.uniform(0.05, seconds)):
            assert trial.kills < 50
        kills += trial.kills
        assert differences(final_state(trial.path), state) == []
