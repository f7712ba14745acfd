"""SIGKILL at any moment: what was acknowledged is in the file, whole, and the file is sound."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from flowwright.checkpoints.sqlite import GroupCommitSaver
from langgraph.checkpoint.base import empty_checkpoint

KILLS = 30
ENTRY = "x" * 960
START = 1_000_000 * os.getpid()  # so that no process writes what another wrote


def acknowledged(kind: str, *names: object) -> None:
    """To the parent, at once: a pipe survives the kill."""
    os.write(1, (" ".join(map(str, (kind, *names))) + "\n").encode())


def where(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


async def caller(saver: GroupCommitSaver, thread_id: str) -> None:
    """Super-steps as LangGraph makes them, with a finished model call before each."""
    for number in range(START, START + 1_000_000):
        await saver.arecord(f"{thread_id}/{number}", ENTRY.encode())
        acknowledged("journal", f"{thread_id}/{number}")
        checkpoint = {**empty_checkpoint(), "id": f"{number:016}", "channel_values": {"x": ENTRY}}
        stored = await saver.aput(where(thread_id), checkpoint, {"source": "loop", "step": number}, {})
        acknowledged("checkpoint", thread_id, checkpoint["id"])
        await saver.aput_writes(stored, [("x", ENTRY), ("y", number)], "task")
        acknowledged("writes", thread_id, checkpoint["id"])


def blocking_caller(saver: GroupCommitSaver, thread_id: str) -> None:
    for number in range(START, START + 1_000_000):
        checkpoint = {**empty_checkpoint(), "id": f"{number:016}"}
        saver.put(where(thread_id), checkpoint, {"source": "loop", "step": number}, {})
        acknowledged("checkpoint", thread_id, checkpoint["id"])
        saver.record(f"{thread_id}/{number}", b"short")
        acknowledged("journal", f"{thread_id}/{number}")


async def write_until_killed(path: str) -> None:
    """32 callers on one loop and 4 threads that block, on one saver."""
    saver = GroupCommitSaver(path)
    for number in range(4):
        threading.Thread(target=blocking_caller, args=(saver, f"sync-{number}"), daemon=True).start()
    await asyncio.gather(*(caller(saver, f"async-{number}") for number in range(32)))


def kill_once(path: Path, seconds: float) -> list[list[str]]:
    """What a child acknowledged before it was killed."""
    with subprocess.Popen([sys.executable, __file__, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]  # it is under way
        timer = threading.Timer(seconds, child.send_signal, (signal.SIGKILL,))
        timer.start()
        lines += child.stdout.readlines()
        assert child.wait() == -signal.SIGKILL
        timer.join()
    return [line.split() for line in lines]


def lost(path: Path, lines: list[list[str]]) -> list[list[str]]:
    """What was acknowledged and is not there, whole."""
    connection = sqlite3.connect(path)
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    checkpoints = set(connection.execute("SELECT thread_id, checkpoint_id FROM checkpoints"))
    whole = "SELECT thread_id, checkpoint_id FROM writes GROUP BY 1, 2 HAVING COUNT(*) = 2"
    writes = set(connection.execute(whole))
    connection.close()
    assert verdict == "ok"
    with GroupCommitSaver(path, create=False) as saver:
        found = {
            "checkpoint": lambda *key: key in checkpoints,
            "writes": lambda *key: key in writes,
            "journal": lambda key: saver.recall(key) == (b"short" if key.startswith("sync") else ENTRY.encode()),
        }
        return [line for line in lines if not found[line[0]](*line[1:])]


@pytest.mark.kill
def test_no_acknowledged_row_or_record_is_lost(tmp_path: Path) -> None:
    """Three kills to a file: the second and third hit one that a killed process left behind."""
    moments = random.Random(0)
    total = 0
    for number in range(KILLS):
        path = tmp_path / f"{number // 3}.db"
        lines = kill_once(path, moments.uniform(0.0, 0.3))
        assert lost(path, lines) == []
        total += len(lines)
    assert total > 100 * KILLS


if __name__ == "__main__":
    asyncio.run(write_until_killed(sys.argv[1]))
