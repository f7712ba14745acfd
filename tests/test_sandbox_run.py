"""A program gets what it needs, its limits, and always an Execution."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from flowwright.errors import UsageError
from flowwright.operators.sandbox import Execution, Limits, Sandbox, SandboxUnavailable, open_sandbox
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BRIEF = Limits(seconds=5, cpu_seconds=1, memory_mb=128, processes=12, file_mb=4, output_kb=16)


@pytest.fixture(params=["bubblewrap", "namespaces"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    try:
        return open_sandbox(request.param)
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))


def test_solve_without_parameters_gives_the_value(sandbox: Sandbox) -> None:
    plain = {"a": [1, 2.5, None, True], (1, "é"): {3, 4}, "b": b"\xff\x00", "c": 1 + 2j, "d": 1 << 80, "e": frozenset()}
    execution = sandbox.run(f"def solve():\n    return {plain!r}\n")
    assert (execution.status, execution.value) == ("ok", plain)
    assert type(execution.value[(1, "é")]) is set


def test_infinities_and_nan_are_values(sandbox: Sandbox) -> None:
    high, low, neither = sandbox.run("def solve():\n    return [1e999, -1e999, 1e999 - 1e999]\n").value
    assert (high, low) == (math.inf, -math.inf)
    assert math.isnan(neither)


@pytest.mark.parametrize("source", ["def solve(n):\n    return n\n", "solve = 3\n", "def solve(*, n):\n    return n\n"])
def test_solve_with_parameters_is_not_called(sandbox: Sandbox, source: str) -> None:
    execution = sandbox.run(source)
    assert (execution.status, execution.value) == ("ok", None)


def test_a_program_reads_its_input_and_its_output_is_kept_apart(sandbox: Sandbox) -> None:
    execution = sandbox.run(
        "import sys\nprint(input()[::-1])\nprint(sys.stdin.read(), file=sys.stderr, end='')", stdin="abc\ndé"
    )
    assert (execution.stdout, execution.stderr, execution.truncated) == ("cba\n", "dé", False)


def test_input_that_nobody_reads_blocks_nothing(sandbox: Sandbox) -> None:
    assert sandbox.run("pass", stdin="x" * 3_000_000).status == "ok"


def test_an_exception_is_told_with_its_line(sandbox: Sandbox) -> None:
    execution = sandbox.run("def f(x):\n    return 1 / x\nf(0)\n")
    assert (execution.status, execution.exception) == ("error", "ZeroDivisionError: division by zero")
    assert "line 2, in f\n    return 1 / x\n" in execution.stderr
    assert "wire" not in execution.stderr


@pytest.mark.parametrize(
    ("source", "status", "exception"),
    [
        ("raise SystemExit", "ok", None),
        ("exit()", "ok", None),
        ("import sys; sys.exit(3)", "error", "SystemExit: 3"),
        ("import os; os._exit(0)", "error", "it ended before its end, with exit status 0"),
        ("import os; os._exit(7)", "error", "it ended before its end, with exit status 7"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "killed by SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "killed", "killed by SIGSEGV"),
        ("import os; os.abort()", "killed", "killed by SIGABRT"),
        ("while True: pass", "timeout", "processor time ran out"),
        ("x = 'a' * 10**10", "memory", "MemoryError"),
        ("x = []\nwhile True: x.append(bytearray(10**6))", "memory", "MemoryError"),
        ("import os\nwhile True: os.fork()", "limit", "BlockingIOError: [Errno 11] Resource temporarily unavailable"),
        ("open('/tmp/x', 'wb').write(b'x' * (5 << 20))", "limit", "OSError: [Errno 27] File too large"),
        ("while True: print('x' * 1000)", "limit", "it printed more than file_mb allows"),
        ("def f(): f()\nf()", "error", "RecursionError: maximum recursion depth exceeded"),
        ("def f(:\n", "error", "SyntaxError: invalid syntax (<program>, line 1)"),
        ("x = '\0'", "error", "SyntaxError: source code string cannot contain null bytes"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "error", "E: <its message raised ValueError>"),
        ("import numpy", "error", "ModuleNotFoundError: No module named 'numpy'"),
        ("def solve():\n    return object()", "error", "NotPlainError: object is not plain data"),
        ("import os\nfor n in range(3, 4096):\n  try: os.write(n, b'x' * 99)\n  except OSError: pass", "error", "it wrote into the sandbox's own pipe"),
    ],
)  # fmt: skip
def test_every_end_is_an_execution(sandbox: Sandbox, source: str, status: str, exception: str | None) -> None:
    execution = sandbox.run(source, limits=BRIEF)
    assert (execution.status, execution.exception) == (status, exception)
    assert execution.seconds < BRIEF.seconds


def test_a_program_that_speaks_for_the_harness_gains_nothing(sandbox: Sandbox) -> None:
    source = "import gc\n[thing for thing in gc.get_objects() if type(thing).__name__ == 'Wire'][0].send(b'splendid')\n"
    execution = sandbox.run(source)
    assert (execution.status, execution.exception) == ("error", "its report cannot be read")


def test_wall_time_ends_a_program_that_sleeps_and_its_output_is_kept(sandbox: Sandbox) -> None:
    execution = sandbox.run("print('before')\nimport time\ntime.sleep(60)\n", limits=replace(BRIEF, seconds=0.5))
    assert (execution.status, execution.exception) == ("timeout", "wall time of 0.5 s ran out")
    assert execution.stdout == "before\n"
    assert 0.5 <= execution.seconds < 2


def test_a_thread_left_running_ends_with_the_wall_time(sandbox: Sandbox) -> None:
    source = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"
    assert sandbox.run(source, limits=replace(BRIEF, seconds=0.5)).status == "timeout"


def test_long_output_is_cut_and_the_program_goes_on(sandbox: Sandbox) -> None:
    execution = sandbox.run("print('é' * 200_000)\ndef solve():\n    return 1\n", limits=BRIEF)
    assert (execution.status, execution.value, execution.truncated) == ("ok", 1, True)
    assert len(execution.stdout.encode()) <= BRIEF.output_bytes + 2
    assert execution.stdout.startswith("éé")


def test_a_value_past_the_limit_is_refused(sandbox: Sandbox) -> None:
    execution = sandbox.run("def solve():\n    return 'x' * 20_000\n", limits=BRIEF)
    assert (execution.status, execution.value) == ("limit", None)
    assert "output_kb" in (execution.exception or "")


@pytest.mark.parametrize(
    "build",
    ["value = 3 ** 9999", "value = chr(0xD800)", "value = {frozenset(): 1}", "for _ in range(270): value = [value]"],
    ids=["many digits", "lone surrogate", "a key JSON has not", "deep"],
)
def test_a_value_that_json_cannot_hold_is_an_error(sandbox: Sandbox, build: str) -> None:
    execution = sandbox.run(f"value = 0\n{build}\ndef solve():\n    return value\n")
    assert (execution.status, execution.value) == ("error", None)
    assert "cannot be written down" in (execution.exception or "")


def test_a_fork_does_not_report_for_its_parent(sandbox: Sandbox) -> None:
    source = "import os, time\nparent = os.getpid()\nif os.fork(): time.sleep(0.3)\ndef solve():\n    return os.getpid() == parent\n"
    assert sandbox.run(source).value is True


def test_each_program_starts_afresh(sandbox: Sandbox) -> None:
    assert sandbox.run("open('/tmp/x', 'w').close()\nimport builtins\nbuiltins.mark = 1").status == "ok"
    again = sandbox.run(
        "import builtins, os\ndef solve():\n    return [os.path.exists('/tmp/x'), hasattr(builtins, 'mark')]\n"
    )
    assert again.value == [False, False]


def test_a_program_in_its_main_module_can_use_the_standard_library(sandbox: Sandbox) -> None:
    source = """
import dataclasses, decimal, fractions, heapq, re, sqlite3, statistics, pickle
@dataclasses.dataclass
class Point:
    x: "int"
def solve():
    assert __name__ == "__main__"
    assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
    return [pickle.loads(pickle.dumps(Point(3))).x, str(fractions.Fraction(1, 3)), re.sub("a", "b", "aa")]
"""
    assert sandbox.run(source).value == [3, "1/3", "bb"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.text() | st.from_regex(r"(x|print|import|def|[ \n()=:'\"\d]){0,30}"))
def test_any_text_gives_an_execution_that_json_can_hold(source: str) -> None:
    execution = open_sandbox().run(source, limits=replace(BRIEF, seconds=20))
    assert Execution.model_validate_json(execution.model_dump_json()) == execution
    assert json.dumps(execution.model_dump(mode="json"))


@pytest.mark.parametrize("field", ["seconds", "cpu_seconds", "memory_mb", "processes", "file_mb", "output_kb"])
def test_limits_that_limit_nothing_are_refused(field: str) -> None:
    with pytest.raises(UsageError, match=f"{field} is not positive"):
        Limits(**{field: 0})
