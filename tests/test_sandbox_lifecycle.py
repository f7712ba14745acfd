"""Runs do not disturb each other, leave nothing behind, and die with whoever started them."""

from __future__ import annotations

import asyncio
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flowwright.operators.sandbox import Limits, Sandbox, SandboxUnavailable, open_sandbox

SLEEPER = """
import os, sys
code = "import time; print('asleep', flush=True); time.sleep(60)"
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", code, "{token}"])
"""
HOST = """
import sys
from flowwright.operators.sandbox import open_sandbox
open_sandbox(sys.argv[1]).run(sys.stdin.read())
"""

SUBREAPER = """
import ctypes, os, sys
from flowwright.operators.sandbox import Limits, open_sandbox
ADOPT_ORPHANS = 36
ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
sandbox = open_sandbox(sys.argv[1])
limits = Limits(seconds=0.5, file_mb=1)
sources = "pass", "import time; time.sleep(9)", "while True: print('x' * 999)", "import os; os.kill(os.getpid(), 9)"
ends = [sandbox.run(source, limits=limits).status for source in sources]
ends.append(sandbox.check("def f(): return 1", "assert f() == 1").status)
try:
    ends.append(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print(*ends)
"""


@pytest.fixture(params=["bubblewrap", "namespaces"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    try:
        return open_sandbox(request.param)
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))


def with_token(token: str) -> list[int]:
    """Processes of the host that have `token` among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if token.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def children() -> set[str]:
    return {child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text().split()}


def until(condition: Callable[[], object], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def descriptors() -> set[str]:
    return {f"{path.name} {path.readlink()}" for path in Path("/proc/self/fd").iterdir() if path.exists()}


def open_now() -> tuple[set[str], set[str], set[int]]:
    """What this process holds: descriptors, children, threads."""
    return descriptors(), children(), {one.native_id or 0 for one in threading.enumerate()}


def test_many_threads_run_at_once_and_leave_nothing_behind(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sandbox.run("pass")
    before = open_now()

    def one(number: int) -> bool:
        if number % 3:
            return bool(sandbox.run(f"import time; time.sleep(0.05)\ndef solve(): return {number}").value == number)
        return sandbox.check(f"def f(): return {number}", f"assert f() == {number}").status == "passed"

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(one, range(48)))
    # Others' threads and sockets may end meanwhile; none may have been added.
    assert not [after - earlier for after, earlier in zip(open_now(), before, strict=True) if after - earlier]
    assert list(tmp_path.iterdir()) == []


async def test_coroutines_run_at_once_in_one_event_loop(sandbox: Sandbox) -> None:
    began = time.monotonic()
    source = "import time; time.sleep(0.5)\ndef solve(): return {}"
    executions = await asyncio.gather(*(sandbox.arun(source.format(number)) for number in range(8)))
    assert [execution.value for execution in executions] == list(range(8))
    assert time.monotonic() - began < 8 * 0.5, "one after the other"


async def test_the_blocking_calls_work_inside_an_event_loop(sandbox: Sandbox) -> None:
    assert sandbox.run("def solve(): return 1").value == 1
    assert sandbox.check("def f(): return 1", "assert f() == 1").status == "passed"


async def test_cancelling_a_run_kills_it(sandbox: Sandbox) -> None:
    token = secrets.token_hex(16)
    run = asyncio.create_task(sandbox.arun(SLEEPER.format(token=token)))
    while not with_token(token):
        await asyncio.sleep(0.02)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert until(lambda: not with_token(token))


def test_nothing_outlives_the_process_that_started_it(sandbox: Sandbox) -> None:
    token = secrets.token_hex(16)
    with subprocess.Popen([sys.executable, "-c", HOST, sandbox.name], stdin=subprocess.PIPE, text=True) as host:
        assert host.stdin is not None
        host.stdin.write(SLEEPER.format(token=token))
        host.stdin.close()
        assert until(lambda: with_token(token))
        host.send_signal(signal.SIGKILL)
    assert until(lambda: not with_token(token))


def test_no_run_however_it_ends_leaves_a_process_to_init(sandbox: Sandbox) -> None:
    ended = subprocess.run([sys.executable, "-c", SUBREAPER, sandbox.name], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["ok", "timeout", "limit", "killed", "passed"]


def test_children_of_a_program_end_with_it(sandbox: Sandbox) -> None:
    token = secrets.token_hex(16)
    daemon = (
        f"if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        exec({SLEEPER.format(token=token)!r})\n"
    )
    source = f"import os, time\n{daemon}    os._exit(0)\ntime.sleep(0.3)\n"
    execution = sandbox.run(source, limits=Limits(seconds=5))
    assert (execution.status, execution.stdout) == ("ok", "asleep\n")
    assert until(lambda: not with_token(token), 2)


def test_a_sandbox_that_stops_working_says_so(sandbox: Sandbox) -> None:
    script = (
        "from pathlib import Path\nfrom flowwright.operators.sandbox import SandboxUnavailable, open_sandbox\n"
        "import sys\nbox = open_sandbox(sys.argv[1])\n"
        "Path('/proc/sys/user/max_user_namespaces').write_text('0')\n"
        "try:\n    box.run('print(1)')\nexcept SandboxUnavailable as fault:\n    print(fault)\n"
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", script, sandbox.name]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert "the sandbox could not be set up" in ended.stdout
