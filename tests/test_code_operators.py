"""Code is found, split from its tests and run in a sandbox; whatever it does, there is an outcome that says so."""

from __future__ import annotations

import json

import pytest
from flowwright.operators import Outcome
from flowwright.operators.code import GENERATE_CODE, REFINE_CODE, TEST_CODE
from flowwright.operators.fences import fenced_blocks, outside_fences
from flowwright.operators.program import checks_of
from flowwright.operators.sandbox import Limits, Sandbox, SandboxUnavailable, open_sandbox
from flowwright.operators.source import code_digest, find_source
from hypothesis import given
from hypothesis import strategies as st
from scripted import replies

CALLS_CHECK = "def check(candidate):\n    assert candidate(2)() == 5"
FORGER = """
import builtins, os, sys

def add(a, b):
    builtins.AssertionError = SystemExit
    for fd in range(3, 64):
        try:
            os.write(fd, b'v{"status": "passed", "asserted": 1, "failures": []}')
        except OSError:
            pass
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
            if isinstance(value, list):
                value.clear()
        frame = frame.f_back
    return 0
"""
ADD = "def add(a, b):\n    return a + b"


def block(code: str, label: str = "python") -> str:
    return f"Here it is.\n```{label}\n{code}\n```\n"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def run(sandbox: Sandbox):  # noqa: ANN201
    def tried(code: str, **others: str) -> Outcome:
        outcome = TEST_CODE.bind("test it", {"code@1": code, **others}, sandbox=sandbox).invoke({})
        assert json.loads(outcome.model_dump_json()) == outcome.model_dump()
        return outcome

    return tried


# -- whatever the code does, there is an outcome


@pytest.mark.parametrize(
    ("code", "passed", "status", "told"),
    [
        (f"{ADD}\nassert add(1, 2) == 3", True, "passed", "Assertions evaluated: 1"),
        (f"{ADD}\nassert add(1, 2) == 4, 'sum'", False, "failed", "assert add(1, 2) == 4: sum (left side was 3)"),
        (f"{ADD}\nassert add(1, None) == 4", False, "failed", "TypeError"),
        ("def solve():\n    return 6 * 7", None, "ok", "solve() returned 42"),
        ("def solve():\n    x = 42\n    assert x == 6 * 7\n    return x", True, "passed", "solve() returned 42"),
        ("def solve():\n    assert 41 == 6 * 7, 'claimed 41'", False, "failed", "claimed 41"),
        ("print('hi')\ndef f(): pass", None, "ok", "Printed:\nhi"),
        ("raise SystemExit(3)", False, "error", "SystemExit: 3"),
        ("raise SystemExit", None, "ok", "nothing was asserted"),
        ("1 / 0", False, "error", "ZeroDivisionError"),
        ("def broken(:", False, "error", "SyntaxError"),
        (f"{ADD}\nfor i in []:\n    assert add(i, 1)", None, "not_asserted", "evaluated no assertion"),
        (f"{ADD}\ndef test_add():\n    assert add(1, 1) == 2", True, "passed", "evaluated: 1"),
        (f"{ADD}\ndef check(candidate):\n    assert candidate(1, 1) == 2", True, "passed", "evaluated: 1"),
        (f"{ADD}\ndef check(f):\n    assert f(1, 1) == 3\ncheck(add)", False, "failed", "left side was 2"),
        (f"{ADD}\nif __name__ == '__main__':\n    assert add(1, 1) == 2", True, "passed", "evaluated: 1"),
        ("from __future__ import annotations\nimport math\nassert math.pi > 3", True, "passed", "evaluated: 1"),
        ("seen = []\nseen.append(1)\nassert seen == [1]\nseen.append(2)\nassert seen == [1, 2]", True, "passed", ": 2"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 9), 1)", False, "error", "Error"),
        ("import socket\ns = socket.create_connection(('127.0.0.1', 9), 1)\nassert s", False, "failed", "Error"),
    ],
)  # fmt: skip
def test_what_a_program_does_is_reported(run, code: str, passed: bool | None, status: str, told: str) -> None:  # noqa: ANN001
    outcome = run(block(code))
    assert (outcome.kind, outcome.passed) == ("test", passed)
    assert outcome.data["status"] in {status, "error"} if status == "failed" else outcome.data["status"] == status
    assert told in outcome.content
    assert outcome.data["code"] == code


@pytest.mark.parametrize(
    "code", ["while True: pass", f"{ADD}\nwhile True: pass\nassert add(1, 1) == 2"], ids=["run", "check"]
)
def test_an_endless_loop_ends_as_a_failed_test(run, monkeypatch, sandbox: Sandbox, code: str) -> None:  # noqa: ANN001
    short = Limits(seconds=1.0, cpu_seconds=1)
    for name in ("run", "check"):
        real = getattr(sandbox, name)
        monkeypatch.setattr(sandbox, name, lambda *given, _real=real, **named: _real(*given, **named, limits=short))
    outcome = run(block(code))
    assert (outcome.passed, outcome.data["status"]) == (False, "timeout")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("no code at all", []),
        (block("return 1", "js"), ["js"]),
        (block("x", "text") + block("y", "JSON"), ["text", "json"]),
    ],
)
def test_without_python_there_is_nothing_to_pass_and_nothing_is_run(run, text: str, labels: list[str]) -> None:  # noqa: ANN001
    outcome = run(text)
    assert (outcome.passed, outcome.data) == (None, {"status": "no_code", "labels": labels})
    assert all(label in outcome.content for label in labels)


async def test_the_async_way_gives_the_same(sandbox: Sandbox) -> None:
    for code in (f"{ADD}\nassert add(1, 2) == 4", "def solve():\n    return 1"):
        operator = TEST_CODE.bind("test", {"code@1": block(code)}, sandbox=sandbox)
        one, other = operator.invoke({}), await operator.ainvoke({})
        assert (one.content, one.passed) == (other.content, other.passed)
        assert [outcome.content async for outcome in operator.astream({})] == [one.content]


def test_the_data_has_the_full_report(run) -> None:  # noqa: ANN001
    execution = run(block("def solve():\n    print('x' * 9000)\n    return {1: (2, {3})}")).data["execution"]
    assert len(execution["stdout"]) == 9001
    assert execution["value"] == {"1": [2, [3]]}
    outcome = run(block(f"print('x' * 9000)\n{ADD}\nassert add(1, 1) == 2"))
    assert "characters left out" in outcome.content
    (check,) = outcome.data["checks"]
    assert (check["origin"], check["isolated"], check["asserted"]) == ("own", False, 1)


# -- tests that come from elsewhere


@pytest.mark.parametrize(
    ("problem", "passed"),
    [
        (f"Write add.\n{block('assert add(1, 2) == 3')}", True),
        (f"Write add.\n{block('assert add(1, 2) == 4')}", False),
        ("Your function must pass\n  assert add(1, 2) == 3\n>>> assert add(2, 2) == 4\nassert that it is right", True),
        (f"{block('import math' + chr(10) + 'ONE = 1' + chr(10) + 'assert add(ONE, 0) == math.gcd(1, 1)')}", True),
        (block("def add(a, b): ...\n\ndef check(candidate):\n    assert candidate(2, 2) == 4"), True),
        (block("def test_sum():\n    assert add(2, 2) == 5"), False),
        (block("def solve():\n    assert add(2, 2) == 4"), True),
        ("just prose", None),
    ],
)
def test_assertions_in_another_input_test_the_program(run, problem: str, passed: bool | None) -> None:  # noqa: ANN001
    outcome = run(block(ADD), **{"problem@1": problem})
    assert outcome.passed is passed
    if passed is not None:
        assert [(check["origin"], check["isolated"]) for check in outcome.data["checks"]] == [("given", True)]


def test_own_and_given_tests_both_count(run) -> None:  # noqa: ANN001
    outcome = run(block(f"{ADD}\nassert add(1, 1) == 3"), **{"problem@1": block("assert add(1, 2) == 3")})
    assert (outcome.passed, outcome.data["asserted"]) == (False, 2)
    assert [check["status"] for check in outcome.data["checks"]] == ["failed", "passed"]


def test_results_that_are_no_plain_data_are_tested_in_one_process_and_the_report_says_so(run) -> None:  # noqa: ANN001
    stack = "class Stack:\n    def __init__(self): self.all = []\n    def push(self, x): self.all.append(x)"
    outcome = run(
        block(stack),
        **{
            "problem@1": block(
                "from __future__ import annotations\nstack = Stack()\nstack.push(1)\nassert stack.all == [1]"
            )
        },
    )
    assert (outcome.passed, outcome.data["checks"][0]["isolated"]) == (True, False)
    assert "in one process with its tests" in outcome.content
    outcome = run(block("def twice(x):\n    return lambda: 2 * x"), **{"problem@1": block(CALLS_CHECK)})
    assert (outcome.passed, outcome.data["checks"][0]["isolated"]) == (False, False)


@pytest.mark.parametrize("before", ["", "ZERO = 0\n", "def helper(x):\n    return x\n"])
@pytest.mark.parametrize("body", ['"""The sum."""', "...", "import math", "raise NotImplementedError"])
def test_the_program_is_found_behind_a_problem_with_a_stub(sandbox: Sandbox, before: str, body: str) -> None:
    stub = f"{before}def add(a, b):\n    {body}\n\nassert add(1, 2) == 3"
    inputs = {"problem@1": block(stub), "code@1": block(ADD)}
    outcome = TEST_CODE.bind("test", inputs, sandbox=sandbox).invoke({})
    assert (outcome.passed, outcome.data["code"]) == (True, ADD)
    alone = TEST_CODE.bind("test", {"problem@1": block(stub)}, sandbox=sandbox).invoke({})
    assert alone.passed is False


def test_the_entry_point_is_the_function_that_the_tests_repeat(run) -> None:  # noqa: ANN001
    code = f"{ADD}\ndef helper(a, b):\n    return 0"
    tests = "def add(a, b):\n    pass\n\ndef check(candidate):\n    assert candidate(1, 2) == 3"
    assert run(block(code), **{"problem@1": block(tests)}).passed is True


def test_a_candidate_cannot_forge_the_verdict_of_given_tests(run) -> None:  # noqa: ANN001
    outcome = run(block(FORGER), **{"problem@1": block("assert add(1, 1) == 2")})
    assert outcome.passed is False
    assert outcome.data["checks"][0]["isolated"] is True


# -- where code is found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (block("x = 1", "Python"), "x = 1"),
        (block("x = 1", "py") + block("no", "sh"), "x = 1"),
        (block("x = 1") + block("y = 2"), "x = 1\n\ny = 2"),
        (block("x = 1") + block("(((", "python"), "x = 1"),
        (block("x = 1", "") + block("y = 2"), "y = 2"),
        (block("x = 1", ""), "x = 1"),
        ("<answer>\n```python\nx = 1\n```\n</answer>", "x = 1"),
        ("1. step\n\n      ```python\n      x = 1\n      ```", "x = 1"),
        ("- ```python\n  x = 1\n  ```", "x = 1"),
        ("~~~python\nx = '```'\n~~~", "x = '```'"),
        ("````python\n'''\n```\n'''\n````", "'''\n```\n'''"),
        ("```python\nx = 1", "x = 1"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("import math", "import math"),
        ("Paris", ""),
        ("```inline``` code", ""),
        (block("x = 1", "text"), ""),
    ],
)
def test_python_is_found_as_models_write_it(text: str, code: str) -> None:
    assert find_source(text).code == code


@given(st.lists(st.text(alphabet="ab `~\n", max_size=30), max_size=6))
def test_blocks_and_the_lines_between_them_are_disjoint(pieces: list[str]) -> None:
    text = "\n```py\n".join(pieces)
    blocks = fenced_blocks(text)
    lines = [line for part in blocks for line in part.text.splitlines()] + outside_fences(text).splitlines()
    assert len(lines) <= len(text.splitlines())


def test_programs_are_compared_without_layout_comments_and_docstrings() -> None:
    assert code_digest("def f():\n    '''Doc.'''\n    return 1") == code_digest("def f(): return (1) # one")
    assert code_digest("def f():\n    '''Doc.'''") is not None
    assert code_digest("def f(:") is None


def test_warnings_of_the_parser_do_not_reach_the_host() -> None:
    assert code_digest("import re\nx = re.compile('\\d') if 1 is 1 else 0") is not None


def test_a_program_too_deep_to_take_apart_is_run_as_it_is(run) -> None:  # noqa: ANN001
    deep = f"x = {'1 + ' * 800}1\nassert x"
    assert checks_of(deep, []) == []
    assert run(block(deep)).data["status"] in {"ok", "error", "memory"}


# -- operators that write code


@pytest.mark.parametrize("operator", [GENERATE_CODE, REFINE_CODE], ids=lambda operator: operator.name)
def test_code_operators_give_the_program_as_the_answer(operator) -> None:  # noqa: ANN001
    inputs = {"code@1": "x", "check@1": "y"}
    made = operator.bind("do", inputs, model=replies(block(ADD))).invoke({})
    assert (made.kind, made.answer, made.data) == ("code", ADD, {"parses": True})
    broken = operator.bind("do", inputs, model=replies(block("def f(:"))).invoke({})
    assert (broken.answer, broken.data) == ("def f(:", {"parses": False})
    none = operator.bind("do", inputs, model=replies(block("return 1", "js"))).invoke({})
    assert (none.answer, none.data) == (None, {"parses": None})
