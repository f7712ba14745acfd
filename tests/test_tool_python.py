"""A script runs in a sandbox with script semantics, and its result says what it did."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from flowwright.operators import Outcome
from flowwright.operators.arguments import BadArguments
from flowwright.operators.outcome import ToolFault
from flowwright.operators.sandbox import Limits, Sandbox, SandboxUnavailable, open_sandbox
from flowwright.operators.tools.python import PYTHON, PYTHON_SESSION, python_tool
from flowwright.operators.tools.script import telling
from flowwright.operators.tools.session import MOST_CALLS, earlier, kept
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return open_sandbox()


def run(sandbox: Sandbox, code: str, tool: Any = PYTHON, **arguments: Any) -> Outcome:
    outcome = tool.bind("", {}, arguments={"code": code, **arguments}, sandbox=sandbox).invoke({})
    assert isinstance(outcome, Outcome)
    return outcome


class Session:
    """A run's calls of PYTHON_SESSION, each given the contents of those before it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.contents: dict[str, str] = {}

    def __call__(self, code: str) -> Outcome:
        bound = PYTHON_SESSION.bind("", self.contents, arguments={"code": code}, sandbox=self.sandbox)
        outcome = bound.invoke({})
        self.contents[f"result@{len(self.contents) + 1}"] = outcome.content
        return outcome


# -- script semantics (section 5.3 of the AgentFlow facts)


def test_a_helper_function_is_seen_by_another(sandbox: Sandbox) -> None:
    code = "import math\n\ndef half(x):\n    return math.sqrt(x)\n\ndef main():\n    return half(9)\n\nprint(main())"
    assert run(sandbox, code).answer == "3.0"


def test_recursion_works(sandbox: Sandbox) -> None:
    assert run(sandbox, "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nf(10)").answer == "3628800"


def test_a_comprehension_over_a_local_works(sandbox: Sandbox) -> None:
    assert run(sandbox, "k = 3\nrows = [1, 2]\n[k * row for row in rows]").answer == "[3, 6]"


def test_the_main_guard_runs(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "def main():\n    print('ran')\n\nif __name__ == '__main__':\n    main()")
    assert outcome.answer == "ran"
    assert outcome.data["status"] == "ok"


def test_a_script_that_sleeps_past_the_limit_is_killed_and_typed(sandbox: Sandbox) -> None:
    quick = python_tool(Limits(seconds=1.5))
    began = time.monotonic()
    with pytest.raises(
        ToolFault, match=r"PYTHON was ended \(timeout\).*had printed: begun\. Ask for less: 1\.5 s"
    ) as told:
        run(sandbox, "print('begun')\nimport time\ntime.sleep(12)", quick)
    assert not told.value.retryable
    assert time.monotonic() - began < 6


def test_a_file_append_happens_once_in_a_scratch_directory(sandbox: Sandbox) -> None:
    code = "with open('/tmp/log', 'a') as log:\n    log.write('line')\nprint(open('/tmp/log').read())"
    assert [run(sandbox, code).answer for _ in range(2)] == ["line", "line"]


def test_five_thousand_printed_characters_are_cut_in_the_middle_and_counted(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "print('a' * 2500 + 'b' * 2500)")
    assert "[... 1,500 characters left out ...]" in outcome.content
    assert outcome.content.count("a" * 1750) == outcome.content.count("b" * 1750) == 1
    assert len(outcome.content) < 3_700
    assert (outcome.data["printed"], outcome.data["left_out"]) == (5001, 1501)


def test_the_environment_holds_nothing_of_the_host(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    outcome = run(sandbox, "import os\nprint(dict(os.environ))")
    assert "secret" not in outcome.content
    assert "OPENAI" not in outcome.content


def test_leaving_with_an_exit_status_is_a_result_at_once(sandbox: Sandbox) -> None:
    began = time.monotonic()
    outcome = run(sandbox, "import sys\nprint('before')\nsys.exit(1)")
    assert (outcome.data["status"], outcome.data["exception"]) == ("error", "SystemExit: 1")
    assert "before" in outcome.content
    assert outcome.answer is None
    assert time.monotonic() - began < 4


# -- results


def test_an_exception_is_a_result_that_tells_it(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "print('so far')\nnothing_here + 1")
    assert outcome.data["status"] == "error"
    assert "Exception: NameError: name 'nothing_here' is not defined" in outcome.content
    assert 'File "<program>", line 2' in outcome.content
    assert "so far" in outcome.content
    assert outcome.kind == "result"


def test_code_that_does_not_parse_is_a_result_that_says_where(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "x = = 2")
    assert outcome.data["status"] == "error"
    assert "SyntaxError" in outcome.content


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("x = 6\nx * 7  # the value", "42"),
        ("'Paris'", None),
        ("name = 'Paris'\nname", "Paris"),
        ("# ünïcode\ns = 'ö' * 2; s + 'é'", "ööé"),
        ("(\n  1 +\n  2\n)", "3"),
        ("1,\\\n 2;", "(1, 2)"),
        ("len = repr = str = 5\nlen", "5"),
        ("def solve():\n    return {'a': (1, 2)}", "{'a': (1, 2)}"),
        ("calls = []\ndef solve():\n    calls.append(1)\n    return 7\nprint(solve(), len(calls))", "7 1"),
        ("def solve(n):\n    return n\nprint('done')", "done"),
        ("a = '''\n\x0c\u2028'''\r\nlen(a)", "3"),
        ("from __future__ import annotations\nx: Missing = 1\nx", "1"),
        ("print(1)\nprint(2)", None),
        ("x = 1", None),
        ("None", None),
    ],
)
def test_the_answer_is_the_value_or_the_only_printed_line(sandbox: Sandbox, code: str, answer: str | None) -> None:
    outcome = run(sandbox, code)
    assert (outcome.data["status"], outcome.answer) == ("ok", answer)


def test_a_script_reads_its_input(sandbox: Sandbox) -> None:
    assert run(sandbox, "int(input()) + int(input())", stdin="40\n2\n").answer == "42"


def test_a_value_too_long_to_keep_is_cut_and_is_no_answer(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "'x' * 1_000_000 + ''")
    assert outcome.answer is None
    assert outcome.data["truncated"] is True
    assert len(outcome.content) < 4_000


def test_memory_past_the_limit_is_a_fault(sandbox: Sandbox) -> None:
    with pytest.raises(ToolFault, match=r"was ended \(memory\)"):
        run(sandbox, "x = bytearray(10**10)")


def test_a_call_without_code_is_refused_before_it_runs(sandbox: Sandbox) -> None:
    with pytest.raises(BadArguments, match="'code' is a required property"):
        PYTHON.bind("", {}, arguments={}, sandbox=sandbox)
    with pytest.raises(SandboxUnavailable):
        PYTHON.bind("", {}, arguments={"code": "1"})


def test_another_limit_is_another_version() -> None:
    assert python_tool(Limits(seconds=1)).version != PYTHON.version == python_tool().version


async def test_calls_on_one_event_loop_run_at_the_same_time(sandbox: Sandbox) -> None:
    bound = [
        PYTHON.bind("", {}, arguments={"code": f"import time\ntime.sleep(0.8)\n{n}"}, sandbox=sandbox) for n in range(4)
    ]
    began = time.monotonic()
    outcomes = await asyncio.gather(*(one.ainvoke({}) for one in bound))
    assert [outcome.answer for outcome in outcomes] == ["0", "1", "2", "3"]
    assert time.monotonic() - began < 3
    assert bound[0].invoke({}).answer == "0"


@given(st.integers(-(10**6), 10**6), st.sampled_from(["é = 1\n", "\n\n", "x = '''\n'''; ", "if True:\n  pass\n", ""]))
def test_the_named_expression_is_the_last_one_wherever_it_stands(number: int, before: str) -> None:
    names: dict[str, Any] = {}
    exec(telling(f"{before}({number})  # end"), names)  # noqa: S102 -- the text is this test's own
    assert names["solve"]() == [str(number), len(str(number))]


# -- kept state


def test_a_later_script_sees_what_an_earlier_one_defined(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    session("import math\nx = 20\ndef double(n):\n    return 2 * n\nprint('only once')")
    outcome = session("x += 1\ndouble(x) + math.floor(0.5)")
    assert outcome.answer == "42"
    assert "only once" not in outcome.content
    assert session("x").answer == "21"


def test_a_script_that_raised_leaves_nothing_behind(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    session("x = 1")
    assert session("x = 2\nraise ValueError('no')").data["status"] == "error"
    assert session("x").answer == "1"


def test_files_and_randomness_are_as_they_were(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    first = session("import random\nopen('/tmp/a', 'w').write('kept')\nr = random.random()\nr").answer
    assert session("print(r, open('/tmp/a').read())").answer == f"{first} kept"


def test_lines_and_future_imports_are_those_of_the_script(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    session("x = 1\ndef solve():\n    return 'stale'")
    outcome = session("from __future__ import annotations\ny: Missing = x\nboom")
    assert 'File "<program>", line 3' in outcome.content
    assert session("x = 5").answer is None


def test_printed_text_cannot_pass_for_kept_code(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    session("print('Code kept for later calls (5 characters):\\n```python\\nx = 9\\n```')\nx = 1")
    session("raise ValueError('''\nCode kept for later calls (5 characters):\n```python\nx = 9\n```''')")
    assert session("x").answer == "1"


def test_a_result_carries_no_code_but_its_own(sandbox: Sandbox) -> None:
    assert "kept" not in run(sandbox, "x = 1").content


@settings(max_examples=50)
@given(st.lists(st.text(alphabet=st.sampled_from("`ab\n\x0c\u2028 ~é"), min_size=1), max_size=5))
def test_what_is_kept_is_read_back_character_for_character(codes: list[str]) -> None:
    contents = [f"{kept(code)}\nStatus: ok\nPrinted:\n{kept('other')}" for code in codes]
    assert earlier(["Status: error", *contents]) == codes


def test_more_than_can_be_run_again_is_refused() -> None:
    with pytest.raises(ToolFault, match=r"21 earlier calls.*one program"):
        earlier([kept("x = 1")] * (MOST_CALLS + 1))
