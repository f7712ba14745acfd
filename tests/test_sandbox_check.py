"""A verdict says what the tests say, whatever the candidate does and however the tests are written."""

from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flowwright.operators.sandbox import Limits, Sandbox, SandboxUnavailable, Verdict, open_sandbox

ADD = "def add(a, b):\n    return a + b\n"
BRIEF = Limits(seconds=5, cpu_seconds=1, memory_mb=128, file_mb=4)


@pytest.fixture(params=["bubblewrap", "namespaces"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    try:
        return open_sandbox(request.param)
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))


def judged(verdict: Verdict) -> tuple[str, int, list[str]]:
    return verdict.status, verdict.asserted, verdict.failures


def test_assertions_by_name_pass(sandbox: Sandbox) -> None:
    assert judged(sandbox.check(ADD, "assert add(1, 2) == 3\nassert add('a', b='b') == 'ab'")) == ("passed", 2, [])


def test_check_is_called_with_the_entry_point(sandbox: Sandbox) -> None:
    tests = "def check(candidate):\n    for n in range(5):\n        assert candidate(n, n) == 2 * n\n"
    assert judged(sandbox.check(ADD, tests, entry_point="add")) == ("passed", 5, [])


def test_check_without_an_entry_point_is_no_judgement(sandbox: Sandbox) -> None:
    verdict = sandbox.check(ADD, "def check(candidate):\n    assert candidate(1, 1) == 2\n")
    assert verdict.status == "error"
    assert "entry_point" in verdict.failures[0]


def test_a_check_that_the_tests_call_themselves_runs_once(sandbox: Sandbox) -> None:
    tests = "def check(candidate):\n    assert candidate(1, 1) == 2\ncheck(add)\n"
    assert judged(sandbox.check(ADD, tests, entry_point="add")) == ("passed", 1, [])


def test_functions_named_test_are_called(sandbox: Sandbox) -> None:
    tests = "def test_one():\n    assert add(1, 1) == 2\ndef test_two():\n    assert add(1, 1) == 3, 'three'\n"
    assert judged(sandbox.check(ADD, tests)) == ("failed", 2, ["assert add(1, 1) == 3: three (left side was 2)"])


def test_assertions_at_the_top_level_are_all_evaluated(sandbox: Sandbox) -> None:
    tests = "assert add(1, 1) == 3\nassert add(1, None)\nassert add(1, 1) == 2\nassert not add(1, 1)\n"
    status, asserted, failures = judged(sandbox.check(ADD, tests))
    assert (status, asserted) == ("failed", 4)
    assert failures[0] == "assert add(1, 1) == 3 (left side was 2)"
    assert failures[1].startswith("assert add(1, None): TypeError: unsupported operand")
    assert failures[2:] == ["assert not add(1, 1)"]


@pytest.mark.parametrize(
    "tests",
    [
        "try:\n    assert add(1, 1) == 3\nexcept AssertionError:\n    pass\nassert add(1, 1) == 2\n",
        "for a in (1, None):\n    try:\n        assert add(a, 1) == 2\n    except Exception:\n        print('no')\n",
    ],
    ids=["failed", "raised"],
)
def test_what_the_tests_swallow_still_fails(sandbox: Sandbox, tests: str) -> None:
    verdict = sandbox.check(ADD, tests)
    assert (verdict.status, verdict.asserted, len(verdict.failures)) == ("failed", 2, 1)


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("", "no assertion"),
        ("add(1, 2)\n", "no assertion"),
        ("def check(candidate):\n    pass\n", "no assertion"),
        ("assert add(1, 2) ==\n", "do not parse: SyntaxError"),
        ("assert add(1, 1) == 2\nundefined()\n", "NameError"),
        ("assert add(1, 1) == 2\nraise SystemExit(0)\n", "SystemExit: 0"),
        ("assert add(1, 1) == 2\nimport os\nos._exit(0)\n", "the tests: it ended before its end"),
        ("assert add(lambda: 1, 2)\n", "an argument that is not plain data: function"),
        ("(" * 300 + ")" * 300, "do not parse"),
    ],
)
def test_tests_that_judge_nothing_are_an_error(sandbox: Sandbox, tests: str, reason: str) -> None:
    verdict = sandbox.check(ADD, tests, entry_point="add")
    assert verdict.status == "error"
    assert reason in verdict.failures[-1]


@pytest.mark.parametrize(
    ("candidate", "status", "reason"),
    [
        ("def add(a, b:\n", "error", "the candidate does not load: SyntaxError"),
        ("import os\nraise SystemExit(0)\n", "error", "the candidate does not load: SystemExit: 0"),
        ("def sub(a, b):\n    return a - b\n", "error", "the candidate defines no add"),
        ("def add(a, b):\n    return None\n", "failed", "(left side was None)"),
        ("def add(a, b):\n    return object()\n", "failed", "object is not plain data"),
        ("def add(a, b):\n    while True: pass\n", "timeout", "the candidate: processor time ran out"),
        ("def add(a, b):\n    return 'x' * 10**10\n", "memory", "out of memory"),
        ("def add(a, b):\n    return 'x' * (5 << 20)\n", "limit", "larger than file_mb allows"),
        ("import os\ndef add(a, b):\n    os.kill(os.getpid(), 9)\n", "killed", "the candidate: killed by SIGKILL"),
        ("import os\ndef add(a, b):\n    os._exit(0)\n", "error", "the candidate: it ended before its end"),
        ("def add(a, b):\n    while True: print('x' * 9999)\n", "limit", "printed more than file_mb allows"),
        ("import time\ntime.sleep(60)\n", "timeout", "wall time"),
        ("def add(a, b):\n    raise ValueError(chr(0xD800))\n", "failed", "ValueError: \\ud800"),
        ("def add(a, b):\n    return 3 ** 10**5\n", "failed", "left side was <int>"),
    ],
)
def test_every_end_of_a_candidate_is_a_verdict(sandbox: Sandbox, candidate: str, status: str, reason: str) -> None:
    tests = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    limits = Limits(seconds=1.5 if "sleep" in candidate else 5, cpu_seconds=1, memory_mb=128, file_mb=4)
    verdict = sandbox.check(candidate, tests, entry_point="add", limits=limits)
    assert verdict.status == status
    assert reason in verdict.failures[-1]
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize(
    ("frame", "reason"),
    [(b"v{}", "the verdict of the tests cannot be read"), (b"z", "neither a question nor a verdict")],
)
def test_tests_that_speak_for_the_harness_judge_nothing(sandbox: Sandbox, frame: bytes, reason: str) -> None:
    tests = f"import gc\n[thing for thing in gc.get_objects() if type(thing).__name__ == 'Wire'][0].send({frame!r})\n"
    verdict = sandbox.check(ADD, tests)
    assert verdict.status == "error"
    assert reason in verdict.failures[-1]


def test_an_endless_loop_in_the_tests_ends(sandbox: Sandbox) -> None:
    verdict = sandbox.check(ADD, "while True: pass", limits=BRIEF)
    assert judged(verdict) == ("timeout", 0, ["the tests: processor time ran out"])


def test_exceptions_come_back_as_what_they_are(sandbox: Sandbox) -> None:
    candidate = """
class Own(KeyError): pass
def fail(kind):
    raise {"own": Own("x"), "file": FileNotFoundError(2, "gone"), "unicode": UnicodeDecodeError("utf-8", b"x", 0, 1, "no"),
           "exit": SystemExit(3), "group": ExceptionGroup("many", [ValueError("one")])}[kind]
"""
    tests = """
def raised(kind):
    try:
        fail(kind)
    except BaseException as fault:
        return fault
assert type(raised("own")) is KeyError
assert raised("file").errno == 2 and type(raised("file")) is FileNotFoundError
assert raised("unicode").end == 1
assert raised("exit").code == 3
assert isinstance(raised("group"), Exception) and "many" in str(raised("group"))
assert raised("nothing").args == ("nothing",)
"""
    assert judged(sandbox.check(candidate, tests)) == ("passed", 6, [])


def test_arguments_changed_in_place_are_changed_for_the_tests(sandbox: Sandbox) -> None:
    candidate = """
def change(numbers, table, *, seen, raw):
    numbers.sort()
    numbers[0].append(9)
    table["new"] = table.pop("old")
    seen.add(2)
    raw += b"!"
"""
    tests = """
inner = [1]
numbers, table, seen, raw = [[2], inner], {"old": [3]}, {1}, bytearray(b"a")
same = numbers, table, seen, raw
change(numbers, table, seen=seen, raw=raw)
assert numbers == [[1, 9], [2]]
assert (table, seen, raw) == ({"new": [3]}, {1, 2}, b"a!")
assert all(a is b for a, b in zip(same, (numbers, table, seen, raw)))
"""
    assert judged(sandbox.check(candidate, tests)) == ("passed", 3, [])


def test_iterators_are_read_as_far_as_the_tests_read_them(sandbox: Sandbox) -> None:
    candidate = """
def count():
    n = 0
    while True:
        yield n
        n += 1
def two():
    yield 1
    raise ValueError("no more")
"""
    tests = """
import itertools
assert list(itertools.islice(count(), 4)) == [0, 1, 2, 3]
assert count() != [0, 1, 2, 3]
numbers = two()
assert next(numbers) == 1
try:
    next(numbers)
except ValueError as fault:
    assert str(fault) == "no more"
"""
    assert judged(sandbox.check(candidate, tests)) == ("passed", 4, [])


def test_constants_and_helpers_of_the_candidate_can_be_used(sandbox: Sandbox) -> None:
    candidate = "LIMITS = {'low': (1, 2)}\nimport math\ndef half(x):\n    return x / 2\ndef whole(x):\n    return x\n"
    tests = "assert LIMITS['low'] == (1, 2)\nassert half(whole(3)) == 1.5\nassert math.pi"
    status, asserted, failures = judged(sandbox.check(candidate, tests))
    assert (status, asserted) == ("failed", 3)
    assert failures == ["assert math.pi: NameError: name 'math' is not defined"]


def test_a_builtin_is_the_candidates_only_as_the_entry_point(sandbox: Sandbox) -> None:
    candidate = "def sum(a, b):\n    return a + b\ndef abs(x):\n    return 0\n"
    assert (
        judged(sandbox.check(candidate, "assert sum(1, 2) == 3\nassert abs(-2) == 2", entry_point="sum"))[0] == "passed"
    )


def test_what_is_printed_is_kept(sandbox: Sandbox) -> None:
    verdict = sandbox.check(
        "def f():\n    print('from f')\n    return 1\n", "assert f() == 1\nprint('from the tests')\n"
    )
    assert (verdict.status, verdict.stdout) == ("passed", "from f\nfrom the tests\n")


def test_main_blocks_do_not_run(sandbox: Sandbox) -> None:
    candidate = ADD + "if __name__ == '__main__':\n    raise SystemExit(1)\n"
    assert sandbox.check(candidate, "assert add(1, 2) == 3").status == "passed"


def test_a_candidate_that_dies_after_its_last_answer_has_answered(sandbox: Sandbox) -> None:
    candidate = "import os, threading\ndef f():\n    threading.Timer(0.2, os._exit, (0,)).start()\n    return 1\n"
    assert sandbox.check(candidate, "assert f() == 1\nimport time\ntime.sleep(0.5)\n").status == "passed"
    assert sandbox.check(candidate, "assert f() == 1\nimport time\ntime.sleep(0.5)\nf()\n").status == "error"


def human_eval() -> list[dict[str, str]]:
    folder = Path(os.environ.get("FLOWWRIGHT_DATA") or Path(__file__).parents[2] / "shared" / "data")
    path = folder / "HumanEval.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {folder}: set FLOWWRIGHT_DATA to the folder that has it")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def human_eval_verdicts(tasks: list[dict[str, str]], bodies: list[str]) -> list[Verdict]:
    sandbox = open_sandbox()

    def check(task: dict[str, str], body: str) -> Verdict:
        return sandbox.check(task["prompt"] + body, task["test"], entry_point=task["entry_point"])

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(check, tasks, bodies))


def test_every_reference_solution_of_human_eval_passes() -> None:
    tasks = human_eval()
    verdicts = human_eval_verdicts(tasks, [task["canonical_solution"] for task in tasks])
    wrong = {
        task["task_id"]: verdict.failures
        for task, verdict in zip(tasks, verdicts, strict=True)
        if verdict.status != "passed"
    }
    assert (len(tasks), wrong) == (164, {})


def test_no_broken_solution_of_human_eval_passes() -> None:
    tasks = human_eval()
    verdicts = human_eval_verdicts(tasks, ["    return None\n"] * len(tasks))
    assert {verdict.status for verdict in verdicts} == {"failed"}
