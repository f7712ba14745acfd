"""A location is opened only if it is ours, LangGraph's or new; anything else is refused and left as it was."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flowwright.checkpoints.errors import DatabaseLockedError
from flowwright.checkpoints.location import Location
from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.open import open_checkpointer
from flowwright.checkpoints.schema import APPLICATION_ID, FORMAT
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.errors import UsageError
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

CONFIG: Any = {"configurable": {"thread_id": "a", "checkpoint_ns": ""}}


def fill(path: Path) -> None:
    with GroupCommitSaver(path) as saver:
        saver.put(CONFIG, empty_checkpoint(), {"source": "loop", "step": 0}, {})


def sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def killed(path: Path, *statements: str) -> None:
    """Run the statements in a process that dies without closing: its log stays beside the file."""
    program = (
        "import os, sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for statement in sys.argv[2:]: connection.execute(statement)\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(path), *statements], check=True)


def everything(directory: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in directory.iterdir() if one.is_file() and one.suffix != ".db-shm"}


class TestLocation:
    """A location names one store."""

    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("sqlite:///runs.db", Path("runs.db")),
            ("sqlite:///some/where/runs.db", Path("some/where/runs.db")),
            ("sqlite:////var/runs.db", Path("/var/runs.db")),
            ("sqlite:///with space%20#1.db", Path("with space%20#1.db")),
            ("sqlite:///~/runs.db", Path("~/runs.db").expanduser()),
            ("memory:", None),
            ("memory://", None),
        ],
    )
    def test_what_is_accepted(self, url: str, path: Path | None) -> None:
        assert Location.parse(url).path == path

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("", "not a checkpointer URL"),
            ("runs.db", "not a checkpointer URL"),
            ("mysql://host/db", "known kind"),
            ("memory:runs", "known kind"),
            ("postgres://host/db", "not offered yet"),
            ("postgresql://user:secret@host/db", "not offered yet"),
            ("sqlite:runs.db", "names no file"),
            ("sqlite://runs.db", "names no file"),
            ("sqlite:///", "names no file"),
            ("sqlite:///:memory:", "memory:"),
            ("sqlite:///runs.db?mode=ro", "Pass options"),
            ("sqlite:///runs\0.db", "NUL"),
        ],
    )
    def test_anything_else_is_refused_with_what_is_accepted(self, url: str, message: str) -> None:
        with pytest.raises(UsageError, match=message) as caught:
            open_checkpointer(url)
        assert "open_checkpointer" in str(caught.value) or "sqlite:///runs.db" in str(caught.value) or url.endswith(":")
        assert "secret" not in str(caught.value)

    def test_a_relative_file_stays_itself_when_the_directory_changes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with open_checkpointer("sqlite:///runs.db") as saver, ThreadPoolExecutor(3) as pool:
            monkeypatch.chdir("/")
            saver.put(CONFIG, empty_checkpoint(), {"step": 0}, {})
            assert all(pool.map(saver.get_tuple, [CONFIG] * 6))
        assert (tmp_path / "runs.db").exists()

    async def test_memory_is_memory_and_both_kinds_of_with_work(self, tmp_path: Path) -> None:
        with open_checkpointer("memory:", create=False) as saver:
            assert isinstance(saver, StrictMemorySaver)
            saver.close()
        for url in ("memory:", f"sqlite:///{tmp_path}/runs.db"):
            async with open_checkpointer(url) as other:
                await other.aput(CONFIG, empty_checkpoint(), {"step": 0}, {})
                assert await other.aget_tuple(CONFIG) is not None


class TestForeignFiles:
    """What is not ours is refused and left as it was."""

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda path: path.write_text("these are my notes\n" * 400), "not a SQLite database"),
            (lambda path: path.write_bytes(b"short"), "not a SQLite database"),
            (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\1" * 9000), "not a SQLite database"),
            (lambda path: sql(path, "CREATE TABLE users (name TEXT)"), "another application"),
            (
                lambda path: sql(path, "PRAGMA journal_mode = WAL", "CREATE TABLE users (name TEXT)"),
                "another application",
            ),
            (lambda path: killed(path, "PRAGMA journal_mode = WAL", "CREATE TABLE users (n)"), "another application"),
            (
                lambda path: sql(path, "CREATE TABLE checkpoints (id)", "CREATE TABLE writes (id)"),
                "another application",
            ),
            (lambda path: sql(path, "PRAGMA application_id = 252006674"), "another application"),
            (lambda path: (fill(path), sql(path, "PRAGMA application_id = 1")), "another application"),
            (lambda path: (fill(path), sql(path, f"PRAGMA user_version = {FORMAT + 1}")), "Upgrade Flowwright"),
        ],
        ids=["text", "bytes", "damaged", "tables", "wal", "killed", "same names", "empty marked", "remarked", "newer"],
    )
    def test_a_foreign_file_is_refused_and_untouched(
        self, tmp_path: Path, make: Callable[[Path], Any], message: str
    ) -> None:
        path = tmp_path / "runs.db"
        make(path)
        before = everything(tmp_path)
        for create in (True, False):
            with pytest.raises(UsageError, match=message) as caught:
                GroupCommitSaver(path, create=create)
            assert str(path) in str(caught.value)
        assert everything(tmp_path) == before

    def test_a_langgraph_file_with_a_trigger_of_somebody_is_foreign(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        with SqliteSaver.from_conn_string(str(path)) as shipped:
            shipped.setup()
        sql(path, "CREATE TRIGGER t AFTER INSERT ON writes BEGIN DELETE FROM checkpoints; END")
        with pytest.raises(UsageError, match="another application"):
            GroupCommitSaver(path)


class TestFilesThatWork:
    """What is ours, LangGraph's or new works."""

    async def test_files_of_langgraphs_savers_are_adopted(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        async with AsyncSqliteSaver.from_conn_string(str(path)) as shipped:
            await shipped.aput(CONFIG, empty_checkpoint(), {"source": "loop", "step": 7}, {})
        for _ in range(2):
            with GroupCommitSaver(path, create=False) as saver:
                saver.record("k", b"v")
                found = saver.get_tuple(CONFIG)
                assert found is not None
                assert found.metadata["step"] == 7

    def test_a_file_from_before_task_paths_is_adopted(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        with SqliteSaver.from_conn_string(str(path)) as shipped:
            where = shipped.put(CONFIG, empty_checkpoint(), {"step": 0}, {})
        sql(path, "ALTER TABLE writes DROP COLUMN task_path")
        with GroupCommitSaver(path) as saver:
            saver.put_writes(where, [("x", 1)], "task", "~path")
            found = saver.get_tuple(where)
        assert found is not None
        assert found.pending_writes == [("task", "x", 1)]

    def test_a_file_is_marked_and_safe_against_power_loss(self, tmp_path: Path) -> None:
        with GroupCommitSaver(tmp_path / "runs.db") as saver:
            connection = saver.database.writer._connection
            marks = {
                name: connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version", "journal_mode", "synchronous", "trusted_schema")
            }
        assert marks == {
            "application_id": APPLICATION_ID,
            "user_version": FORMAT,
            "journal_mode": "wal",
            "synchronous": 2,
            "trusted_schema": 0,
        }

    def test_a_reader_refuses_to_write(self, tmp_path: Path) -> None:
        with (
            GroupCommitSaver(tmp_path / "runs.db") as saver,
            saver.cursor() as cursor,
            pytest.raises(sqlite3.OperationalError, match="readonly"),
        ):
            cursor.execute("DELETE FROM checkpoints")

    def test_many_openers_of_one_new_file_all_succeed(self, tmp_path: Path) -> None:
        def open_and_write(path: Path) -> None:
            fill(path)

        with ThreadPoolExecutor(8) as pool:
            for number in range(15):
                list(pool.map(open_and_write, [tmp_path / f"{number}.db"] * 8))
                with GroupCommitSaver(tmp_path / f"{number}.db", create=False) as saver:
                    assert len([*saver.list(None)]) == 8

    def test_opening_waits_for_a_writer_of_a_file_that_is_not_in_wal_mode_yet(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        fill(path)
        sql(path, "PRAGMA journal_mode = DELETE")
        writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        writer.execute("BEGIN IMMEDIATE")
        leaving = threading.Timer(0.3, writer.close)
        leaving.start()
        GroupCommitSaver(path, busy_timeout=10).close()
        leaving.join()

    def test_a_creation_that_was_killed_is_finished_by_the_next_opener(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        spilled = "INSERT INTO half VALUES (zeroblob(3000000))"
        killed(path, "PRAGMA cache_size = 1", "BEGIN", "CREATE TABLE half (made)", spilled)
        assert path.stat().st_size > 0
        assert path.with_name("runs.db-journal").exists()
        fill(path)
        with GroupCommitSaver(path) as saver:
            assert saver.get_tuple(CONFIG) is not None


class TestPlaces:
    """A place that cannot be used is named."""

    def test_reading_does_not_create(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="there is no file"):
            open_checkpointer(f"sqlite:///{tmp_path}/runs.db", create=False)
        assert not list(tmp_path.iterdir())

    def test_an_empty_file_holds_no_runs_but_can_be_used(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        path.touch()
        with pytest.raises(UsageError, match="holds no runs"):
            GroupCommitSaver(path, create=False)
        assert path.stat().st_size == 0
        fill(path)

    def test_a_missing_directory_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"there is no directory .*nowhere"):
            open_checkpointer(f"sqlite:///{tmp_path}/nowhere/runs.db")

    @pytest.mark.parametrize(
        "make", [lambda path: path.mkdir(), lambda path: os.mkfifo(path)], ids=["directory", "fifo"]
    )
    def test_what_is_no_file_is_refused(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        make(tmp_path / "runs.db")
        with pytest.raises(UsageError, match="not a regular file"):
            GroupCommitSaver(tmp_path / "runs.db")

    @pytest.mark.parametrize("place", ["/proc/runs.db", "/dev/null/runs.db"])
    def test_a_place_that_takes_no_files_is_refused(self, place: str) -> None:
        with pytest.raises(UsageError, match="cannot be opened"):
            GroupCommitSaver(place)

    def test_a_lock_at_opening_is_reported_after_the_time_out(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        with SqliteSaver.from_conn_string(str(path)) as shipped:
            shipped.setup()
            shipped.conn.execute("PRAGMA journal_mode = DELETE")
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseLockedError, match="locked by another process"):
            GroupCommitSaver(path, busy_timeout=0.2)
        holder.close()
        GroupCommitSaver(path, busy_timeout=0.2).close()

    def test_listing_works_while_another_process_writes(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.db"
        fill(path)
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with GroupCommitSaver(path, create=False, busy_timeout=0.2) as saver:
            assert len([*saver.list(None)]) == 1
        holder.close()
