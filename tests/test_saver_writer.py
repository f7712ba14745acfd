"""Group commit: one transaction for all that wait, a bad change fails alone, and nobody is ever left waiting."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flowwright.checkpoints.errors import (
    DatabaseLockedError,
    ForkedSaverError,
    SaverClosedError,
    WriterStoppedError,
)
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.writer import Writer
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def saver(path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(path) as opened:
        yield opened


@contextmanager
def write_lock(path: Path) -> Iterator[Callable[[], None]]:
    """Hold the file's write lock as another process would; call what is yielded to let go early."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection.rollback
    finally:
        connection.rollback()
        connection.close()


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


def put(saver: GroupCommitSaver, thread_id: str, checkpoint: Checkpoint | None = None) -> str:
    kept = saver.put(config(thread_id), checkpoint or empty_checkpoint(), {"source": "loop", "step": 0}, {})
    return str(kept["configurable"]["checkpoint_id"])


async def aput(saver: GroupCommitSaver, thread_id: str) -> str:
    kept = await saver.aput(config(thread_id), empty_checkpoint(), {"source": "loop", "step": 0}, {})
    return str(kept["configurable"]["checkpoint_id"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


class TestOneTransaction:
    """What waits is committed together and seen by all."""

    async def test_all_that_wait_are_committed_together(self, saver: GroupCommitSaver, path: Path) -> None:
        with ThreadPoolExecutor(8) as pool, write_lock(path) as release:
            asynchronous = [asyncio.create_task(aput(saver, f"async-{number}")) for number in range(40)]
            synchronous = [pool.submit(put, saver, f"sync-{number}") for number in range(8)]
            records = [asyncio.create_task(saver.arecord(f"call-{number}", b"reply")) for number in range(12)]
            await asyncio.sleep(0.2)
            assert saver.database.writer.commits == 0
            release()
            await asyncio.gather(*asynchronous, *records, *(asyncio.wrap_future(one) for one in synchronous))
        assert saver.database.writer.changes == 60
        assert saver.database.writer.commits <= 2  # the one that was under way when the others came, and the rest

    def test_a_write_is_seen_by_every_reader_once_it_returned(self, saver: GroupCommitSaver) -> None:
        def write_and_read(number: int) -> bool:
            found = []
            for _ in range(20):
                latest = put(saver, f"{number}")
                one = saver.get_tuple(config(f"{number}"))
                found.append(one is not None and one.checkpoint["id"] == latest)
            return all(found)

        async def same(number: int) -> bool:
            found = []
            for _ in range(20):
                latest = await aput(saver, f"async-{number}")
                one = await saver.aget_tuple(config(f"async-{number}"))
                found.append(one is not None and one.checkpoint["id"] == latest)
            return all(found)

        async def many(first: int) -> list[bool]:
            return list(await asyncio.gather(*(same(number) for number in range(first, first + 8))))

        with ThreadPoolExecutor(8) as pool:
            loops = [pool.submit(asyncio.run, many(first)) for first in (0, 8)]
            assert all(pool.map(write_and_read, range(6)))
            assert all(all(loop.result()) for loop in loops)

    def test_reads_do_not_wait_for_a_writer(self, saver: GroupCommitSaver, path: Path) -> None:
        put(saver, "a")
        with ThreadPoolExecutor(1) as pool, write_lock(path):
            waiting = pool.submit(put, saver, "b")
            assert saver.get_tuple(config("a")) is not None
            assert [row.config["configurable"]["thread_id"] for row in saver.list(None)] == ["a"]
            assert saver.recall("k") is None
            assert not waiting.done()


class TestIsolation:
    """A failure reaches its caller and nobody else."""

    async def test_a_bad_change_fails_alone_with_its_own_error(self, saver: GroupCommitSaver, path: Path) -> None:
        """A lone surrogate is no UTF-8, and a value over the limit is refused by SQLite itself."""
        saver.database.writer._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
        with write_lock(path) as release:
            good = [asyncio.create_task(aput(saver, f"{number}")) for number in range(25)]
            surrogate = asyncio.create_task(aput(saver, "\ud800"))
            large = asyncio.create_task(saver.arecord("large", os.urandom(200_000)))
            more = [asyncio.create_task(saver.arecord(f"{number}", b"v")) for number in range(25)]
            await asyncio.sleep(0.1)
            release()
            await asyncio.gather(*good, *more)
        with pytest.raises(UnicodeEncodeError):
            await surrogate
        with pytest.raises(sqlite3.DataError, match="too big"):
            await large
        assert len([*saver.list(None)]) == 25
        assert [saver.recall(f"{number}") for number in range(25)] == [b"v"] * 25

    @given(st.lists(st.sampled_from(["good", "two rows", "bad", "half bad"]), min_size=1, max_size=24))
    @settings(max_examples=30, deadline=None)
    def test_exactly_the_good_changes_are_stored_and_each_is_whole(
        self, tmp_path_factory: pytest.TempPathFactory, kinds: list[str]
    ) -> None:
        place = tmp_path_factory.mktemp("isolation") / "numbers.db"
        connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
        connection.execute(
            "CREATE TABLE numbers (change INTEGER, part INTEGER CHECK (part >= 0), UNIQUE (change, part))"
        )
        parts = {"good": [0], "two rows": [0, 1], "bad": [-1], "half bad": [0, -1]}
        writer = Writer(connection, "numbers", capacity=100, busy_timeout=5)

        async def everything() -> list[BaseException | None]:
            changes = [
                [("INSERT INTO numbers VALUES (?, ?)", [(number, part) for part in parts[kind]])]
                for number, kind in enumerate(kinds)
            ]
            return await asyncio.gather(*(writer.acommit(change) for change in changes), return_exceptions=True)

        outcomes = asyncio.run(everything())
        writer.close()
        expected = {(n, part) for n, kind in enumerate(kinds) if "bad" not in kind for part in parts[kind]}
        with sqlite3.connect(place) as reader:
            assert set(reader.execute("SELECT * FROM numbers")) == expected
        reader.close()
        assert [isinstance(one, sqlite3.IntegrityError) for one in outcomes] == ["bad" in kind for kind in kinds]

    def test_a_lock_beyond_the_time_out_is_a_typed_error_and_passes(self, path: Path) -> None:
        with GroupCommitSaver(path, busy_timeout=0.2) as saver:
            with ThreadPoolExecutor(4) as pool, write_lock(path):
                calls = [pool.submit(put, saver, f"{number}") for number in range(4)]
                errors = [call.exception(timeout=10) for call in calls]
                assert [type(error) for error in errors] == [DatabaseLockedError] * 4
                assert len({id(error) for error in errors}) == 4
                assert "locked by another process" in str(errors[0])
            assert put(saver, "later")

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the thread prints its cause
    async def test_an_internal_error_reaches_everybody_and_stops_the_writer(self, path: Path) -> None:
        class Broken(list[Any]):
            def __iter__(self) -> Any:
                raise SystemExit("the interpreter is going down")

        with GroupCommitSaver(path) as saver:
            writer = saver.database.writer
            with write_lock(path) as release:
                first = asyncio.create_task(aput(saver, "first"))
                await asyncio.sleep(0.05)  # under way: what follows waits in the queue
                calls = [asyncio.create_task(aput(saver, f"{number}")) for number in range(5)]
                calls.append(asyncio.create_task(writer.acommit([("INSERT INTO journal VALUES (?, ?, ?)", Broken())])))
                await asyncio.sleep(0.05)
                release()
                assert await first
                outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
            assert [type(one) for one in outcomes] == [WriterStoppedError] * 6
            with pytest.raises(SaverClosedError):
                put(saver, "late")


class TestBackPressure:
    """The queue is bounded and blocks no loop."""

    async def test_the_queue_is_bounded_and_the_loop_goes_on(self, path: Path) -> None:
        async with GroupCommitSaver(path, capacity=3) as saver:
            queue = saver.database.writer._queue
            with ThreadPoolExecutor(5) as pool, write_lock(path) as release:
                calls = [asyncio.create_task(aput(saver, f"{number}")) for number in range(30)]
                synchronous = [pool.submit(put, saver, f"sync-{number}") for number in range(5)]
                beats = 0
                for _ in range(20):
                    await asyncio.sleep(0.01)
                    beats += 1
                    assert len(queue) <= 3
                assert not any(call.done() for call in calls)
                release()
                await asyncio.wait_for(asyncio.gather(*calls, *map(asyncio.wrap_future, synchronous)), 10)
            assert beats == 20
            assert saver.database.writer.changes == 35

    async def test_a_cancelled_caller_holds_up_nobody(self, path: Path) -> None:
        async with GroupCommitSaver(path, capacity=2) as saver:
            with write_lock(path) as release:
                calls = [asyncio.create_task(aput(saver, f"{number}")) for number in range(12)]
                await asyncio.sleep(0.05)
                for call in calls[::2]:
                    call.cancel()
                release()
                outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
            assert [isinstance(one, asyncio.CancelledError) for one in outcomes] == [True, False] * 6

    @pytest.mark.parametrize("capacity", [1, 100])
    def test_a_loop_that_is_closed_while_it_waits_holds_up_nobody(self, path: Path, capacity: int) -> None:
        with GroupCommitSaver(path, capacity=capacity) as saver:
            loop = asyncio.new_event_loop()
            with write_lock(path) as release:
                tasks = [loop.create_task(aput(saver, f"gone-{number}")) for number in range(4)]
                loop.run_until_complete(asyncio.sleep(0.05))
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.sleep(0))
                loop.close()
                release()
                assert put(saver, "still here")


class TestClosing:
    """Closing loses nothing and leaves nothing behind."""

    def test_closing_commits_what_is_queued(self, path: Path) -> None:
        saver = GroupCommitSaver(path)
        queue = saver.database.writer._queue
        with ThreadPoolExecutor(12) as pool, write_lock(path) as release:
            calls = [pool.submit(put, saver, "first")]
            until(lambda: not queue and calls[0].running())
            calls += [pool.submit(put, saver, f"{number}") for number in range(9)]
            until(lambda: len(queue) >= 9)
            closing = pool.submit(saver.close)
            until(lambda: saver.database.writer._closed)
            assert not closing.done()
            release()
            assert all(call.result(timeout=10) for call in calls)
            closing.result(timeout=10)
        with GroupCommitSaver(path, create=False) as again:
            assert len([*again.list(None)]) == 10

    def test_who_waits_for_room_while_it_closes_is_told(self, path: Path) -> None:
        saver = GroupCommitSaver(path, capacity=1)
        with ThreadPoolExecutor(12) as pool, write_lock(path) as release:
            calls: list[Future[str]] = [pool.submit(put, saver, f"{number}") for number in range(10)]
            until(lambda: len(saver.database.writer._outside) >= 8)
            closing = pool.submit(saver.close)
            until(lambda: saver.database.writer._closed)
            release()
            closing.result(timeout=10)
            errors = [call.exception(timeout=10) for call in calls]
        stored = [error for error in errors if error is None]
        assert 1 <= len(stored) <= 2
        assert all(isinstance(error, SaverClosedError) for error in errors if error is not None)

    async def test_a_closed_saver_says_so(self, path: Path) -> None:
        saver = GroupCommitSaver(path)
        saver.close()
        saver.close()
        for call in (lambda: put(saver, "a"), lambda: saver.get_tuple(config("a")), lambda: saver.list(None)):
            with pytest.raises(SaverClosedError, match="is closed"):
                call()
        with pytest.raises(SaverClosedError):
            await saver.arecord("k", b"v")

    def test_a_listing_left_open_does_not_keep_the_file(self, path: Path) -> None:
        with GroupCommitSaver(path) as saver:
            put(saver, "a")
            listing = saver.list(None)
            next(listing)
        del listing
        gc.collect()
        assert not path.with_name("runs.db-wal").exists()

    def test_a_forgotten_saver_ends_its_thread_and_leaves_one_file(self, path: Path) -> None:
        saver = GroupCommitSaver(path)
        put(saver, "a")
        clone = saver.with_allowlist([("module", "Name")])
        assert clone is not saver
        before = {thread.name for thread in threading.enumerate()}
        assert any(str(path) in name for name in before)
        del saver
        gc.collect()
        assert clone.get_tuple(config("a")) is not None  # LangGraph's clones share the file
        del clone
        gc.collect()
        assert not any(str(path) in thread.name for thread in threading.enumerate())
        assert [one.name for one in path.parent.iterdir()] == ["runs.db"]


class TestSeveralProcesses:
    """Processes share the file, never a saver."""

    def test_two_processes_write_one_file_and_see_each_others_rows(self, saver: GroupCommitSaver, path: Path) -> None:
        program = (
            "import sys\n"
            "from langgraph.checkpoint.base import empty_checkpoint\n"
            "from flowwright.checkpoints.sqlite import GroupCommitSaver\n"
            "with GroupCommitSaver(sys.argv[1]) as saver:\n"
            "    print('ready', flush=True)\n"
            "    for n in range(150):\n"
            "        where = {'configurable': {'thread_id': f'child-{n}', 'checkpoint_ns': ''}}\n"
            "        saver.put(where, empty_checkpoint(), {'step': n}, {})\n"
        )
        child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: put(saver, f"parent-{number}"), range(150)))
        assert child.wait(timeout=60) == 0
        child.stdout.close()
        kinds = [row.config["configurable"]["thread_id"].split("-")[0] for row in saver.list(None)]
        assert (kinds.count("parent"), kinds.count("child")) == (150, 150)

    def test_a_forked_process_is_told_to_open_its_own(self, saver: GroupCommitSaver) -> None:
        put(saver, "a")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork: the very case
            child = os.fork()
        if child == 0:
            code = 0
            for call in (lambda: put(saver, "b"), lambda: saver.get_tuple(config("a"))):
                try:
                    call()
                except ForkedSaverError:
                    code += 1
            saver.close()
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        assert put(saver, "still mine")
