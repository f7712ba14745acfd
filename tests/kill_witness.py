"""Two witnesses of a run that gets killed, neither of them in its process: the server's log of what was asked, and the
file with what was recorded."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flowwright import Policies, build_graph, open_checkpointer
from flowwright.checkpoints.runner import has_work, thread_config
from flowwright.checkpoints.trajectories.calls import calls_of
from flowwright.graphs.operation import Operation
from kill_lookup import key_of

HERE: Final = Path(__file__).parent
THREAD: Final = thread_config("t")
MEASURED: Final = {"began": 0, "checkpoint": "", "namespace": "", "task": "", "attempt": 1}
"""What of a call record is another one in each run."""


@dataclass
class Witness:
    """The scripted server in a process of its own, and its log."""

    port: int
    log: Path
    _read: int = field(default=0, repr=False)
    """Bytes of the log that were read."""

    def url(self, system: str) -> str:
        """Where the models and tools of a system's scenario are."""
        return f"http://127.0.0.1:{self.port}/{system}/v1"

    def fresh(self) -> list[str]:
        """Keys of the requests that came since this was asked last."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            lines = log.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._read += sum(map(len, whole))
        events = [json.loads(line) for line in whole]
        return [event["key"] for event in events if event["event"] == "received"]


@contextmanager
def serving(folder: Path) -> Iterator[Witness]:
    """A witness, until the end of the block."""
    port, log = folder / "port", folder / "log"
    command = [sys.executable, str(HERE / "scripted_server.py"), "--port-file", str(port), "--log", str(log)]
    with subprocess.Popen([*command, "--script", str(HERE / "kill_script.py"), "--latency", "0.004"]) as server:
        try:
            while not port.exists():
                assert server.poll() is None, "the server did not start"
                time.sleep(0.02)
            log.touch()
            yield Witness(int(port.read_text()), log)
        finally:
            server.kill()


def recorded(path: Path) -> set[str]:
    """Keys of the calls that a dead process left a record of: the journal's, and every call of a tool, failed or not,
    in the records of operations, whether or not their super-step was closed."""
    known = journaled(path)
    if not known:
        return set()
    with open_checkpointer(f"sqlite:///{path}") as saver:
        writes = [write for one in saver.list(THREAD) for write in one.pending_writes or ()]
    return {*known, *called(one for _, channel, value in writes if channel == "operations" for one in value)}


def journaled(path: Path) -> set[str]:
    """Keys of the models that answered and of the tools that gave something, from a journal that may not exist yet."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        keys = [row[0] for row in database.execute("SELECT key FROM journal")] if "journal" in tables else []
    if not keys:
        return set()
    with open_checkpointer(f"sqlite:///{path}") as saver:
        contents = [json.loads(saver.recall(key) or b"{}").get("content", "") for key in keys]
    return {*keys, *(text.removesuffix(" is known") for text in contents)}


def called(operations: Iterable[Operation]) -> Iterator[str]:
    """Keys of the tool calls that these operations made."""
    for one in operations:
        if one["status"] != "skipped" and one["arguments"] and "what" in one["arguments"]:
            yield key_of(one["operator"], one["arguments"]["what"])


def final_state(system: str, path: Path) -> dict[str, Any]:
    """The state of the finished run, without what is random (its id) or measured (seconds)."""
    with open_checkpointer(f"sqlite:///{path}") as saver:
        graph = build_graph(system, policies=Policies(designer="offline", executor="offline"), checkpointer=saver)
        snapshot = graph.get_state(THREAD)
        calls = [{**one, **MEASURED} for one in calls_of(saver, snapshot.config)]
    assert not has_work(snapshot)
    values = {**snapshot.values, "messages": [message.text for message in snapshot.values["messages"]], "calls": calls}
    plain: dict[str, Any] = json.loads(json.dumps(values).replace(values["run"]["id"], "RUN"))
    _zero_seconds(plain)
    return plain


def _zero_seconds(value: Any) -> None:
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _zero_seconds(inner)
    if isinstance(value, dict):
        value.update({name: 0 for name in value if name in ("seconds", "began")})


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two states differ, for the message of a failed test."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [line for key in {**one, **other} for line in differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            line for n, pair in enumerate(zip(one, other, strict=True)) for line in differences(*pair, f"{path}[{n}]")
        ]
    return [] if one == other else [f"{path}: {one!r} != {other!r}"]
