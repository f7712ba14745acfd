"""Operators that write code and the one that runs it. Code is run in a sandbox or not at all."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableLambda

from ..sampling import Sampling
from .outcome import Outcome
from .prompt import Prompt
from .reply import one_reply
from .source import find_source, parse_python
from .template import Job, OperatorTemplate
from .trial import adrive, drive, trial

PACKAGE: Final = "flowwright.operators"
LONG: Final = Sampling(max_tokens=4096)


def read_code(text: str) -> Outcome:
    """A reply with a program: the program is its answer. `data["parses"]` says whether it is Python; without a program
    the answer is None."""
    code = find_source(text).code
    parses = parse_python(code) is not None if code else None
    return Outcome(kind="code", content=text, answer=code or None, data={"parses": parses})


def run_trial(job: Job) -> Runnable[dict[str, Any], Outcome]:
    """Builder of TEST_CODE."""
    sandbox = job.sandbox
    assert sandbox is not None, "bind gives a sandbox to every template that needs one"

    def test(_: dict[str, Any]) -> Outcome:
        return drive(trial(job.inputs), sandbox)

    async def atest(_: dict[str, Any]) -> Outcome:
        return await adrive(trial(job.inputs), sandbox)

    return RunnableLambda(test, atest)


GENERATE_CODE: Final = OperatorTemplate(
    name="GENERATE_CODE",
    purpose="Write a Python program that solves the problem, computes its answer, or checks a candidate.",
    accepts="the problem; optionally a plan, or the candidate to check",
    output="code",
    build=one_reply(read_code),
    prompts=(Prompt.load(PACKAGE, "GENERATE_CODE"),),
    sampling=LONG,
)
REFINE_CODE: Final = OperatorTemplate(
    name="REFINE_CODE",
    purpose="Correct a program in view of a test report or review.",
    accepts="a program and what was found about it; the problem too, if it is not quoted there",
    output="code",
    build=one_reply(read_code),
    prompts=(Prompt.load(PACKAGE, "REFINE_CODE"),),
    sampling=LONG,
    min_inputs=2,
)
TEST_CODE: Final = OperatorTemplate(
    name="TEST_CODE",
    purpose="Run a Python program in a sandbox: evaluate its assertions, or call its solve(). Reports what happened.",
    accepts="a program; optionally inputs that hold assertions for it, such as the problem",
    output="test",
    build=run_trial,
    max_calls=0,
    needs_sandbox=True,
)
