"""Processes that write runs, index them or export them until they are told to stop or are killed, and what an index
holds, for comparing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

QUESTION = "Use each of the numbers {}, {}, {}, {} exactly once, with +, -, *, / and parentheses, to make 24."
SYSTEMS = ("dyflow", "agentflow", "flowsteer")
TABLES = ("threads", "runs", "turns", "operations", "calls", "faults", "rewards", "evaluations", "texts")


def dump(path: Path, tables: tuple[str, ...] = TABLES) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in an index that is read off the store, ordered. The number of a text says nothing, and the ledger
    tells of the work."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        found = {}
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table}")
            found[table] = sorted(rows, key=repr)
        return found


def sound(path: Path) -> None:
    """The file is whole, every row belongs to a run, and the full-text index agrees with the texts."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        orphans = "SELECT COUNT(*) FROM texts t LEFT JOIN runs r USING (thread, head) WHERE r.run IS NULL"
        assert connection.execute(orphans).fetchone() == (0,)
        connection.execute("INSERT INTO texts_fts (texts_fts, rank) VALUES ('integrity-check', 1)")
        connection.rollback()


def tasks(folder: Path, name: str, count: int) -> Path:
    """A task file of questions whose systems differ in what they do."""
    path = folder / f"{name}.jsonl"
    numbers = [(1, 1, 1, 8), (2, 3, 4, 4), (6, 6, 6, 6), (1, 1, 1, 1), (3, 3, 8, 8)]
    rows = [{"id": str(i), "question": QUESTION.format(*numbers[i % len(numbers)])} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """This module in a process of its own, whose warnings are errors."""
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FLOWWRIGHT_MODEL": "", "PYTHONPATH": paths}
    command = [sys.executable, "-W", "error", __file__, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)


def ended(child: subprocess.Popen[str]) -> str:
    """What it wrote to standard output; it must have ended well and in silence about locks."""
    out, err = child.communicate(timeout=240)
    assert child.returncode == 0, err
    assert "locked" not in err.lower(), err
    return out


def write_runs(store: str, system: str, task_file: str) -> None:
    """Real runs, many at a time."""
    from flowwright.checkpoints.session import Session
    from flowwright.policies.policies import Policies

    rows = [json.loads(line) for line in Path(task_file).read_text().splitlines()]
    offline = Policies(designer="offline", executor="offline")
    with Session(f"sqlite:///{store}", offline, system=system, timeout=60) as session:
        given = [
            (f"{system}-{Path(task_file).stem}-{row['id']}", {"question": row["question"], "id": row["id"]})
            for row in rows
        ]
        results = asyncio.run(
            session.run_all(given, seed=1, budget={}, concurrency=4, done=lambda index, result: None)  # type: ignore[arg-type]
        )
    print(json.dumps([one.thread_id for one in results]))


def index_until(store: str, stop: str, *, rebuild: bool = False) -> None:
    """Index again and again, and once more when `stop` is there."""
    from flowwright import open_checkpointer
    from flowwright.checkpoints.index.build import build_index
    from flowwright.checkpoints.index.file import index_path

    rounds, last = 0, False
    while not last:
        last = Path(stop).exists()
        with open_checkpointer(f"sqlite:///{store}", busy_timeout=60) as saver:
            build_index(saver, index_path(Path(store)), rebuild=rebuild, busy_timeout=60)
        rounds += 1
        print(rounds, flush=True)


def export_until(store: str, stop: str, out: str) -> None:
    """Export again and again, and once more when `stop` is there; each file is read back."""
    from flowwright import open_checkpointer
    from flowwright.checkpoints.export.export import export
    from flowwright.errors import UsageError

    last = False
    while not last:
        last = Path(stop).exists()
        with open_checkpointer(f"sqlite:///{store}", busy_timeout=60) as saver:
            try:
                made = export(saver, f"{out}.jsonl", format="atif", overwrite=True)
            except UsageError as nothing:
                if last or "no" not in str(nothing):
                    raise
                continue
        text = made.paths[""].read_bytes()
        assert hashlib.sha256(text).hexdigest() == made.hashes[made.paths[""].name]
        rows = [json.loads(line)["extra"]["flowwright"]["thread"] for line in text.splitlines()]
        assert len(rows) == made.rows[""]
        assert made.ledger.unaccounted == 0
        assert not made.ledger.damaged_threads, made.ledger.damaged_threads
        print(json.dumps({"threads": rows, "read": made.ledger.read}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", store, system, task_file]:
            write_runs(store, system, task_file)
        case ["index", store, stop]:
            index_until(store, stop)
        case ["rebuild", store, stop]:
            index_until(store, stop, rebuild=True)
        case ["export", store, stop, out]:
            export_until(store, stop, out)
        case other:
            raise SystemExit(f"unknown: {other}")
