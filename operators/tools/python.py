"""A script runs once, in the OS sandbox, with script semantics, and what it did is told as it was: a script that raised
has a result too, which says so; a script that was ended has none."""

from __future__ import annotations

from typing import Any, Final

from ..context import excerpt
from ..outcome import Outcome, ToolFault
from ..sandbox import Execution, Limits
from ..template import Builder, Job, OperatorTemplate
from .calling import arguments_of, calling
from .script import LONGEST_VALUE, telling
from .session import earlier, kept, replay

SHOWN: Final = 3_500
"""Characters of printed output in a result."""
SHOWN_ERRORS: Final = 1_200
"""Characters of stderr in a result; a traceback ends it."""
SHORT: Final = 200
"""Longest single printed line that is taken for the answer of a script without a value."""
LIMITS: Final = Limits()


def python_tool(limits: Limits = LIMITS, *, name: str = "PYTHON") -> OperatorTemplate:
    """The tool that runs one Python script by itself, within `limits`."""
    return OperatorTemplate(
        name=name,
        purpose="Run a Python script in a sandbox and see what it prints and the value of its last expression.",
        accepts="a script that uses the standard library only; it has neither network nor files of the host",
        output="result",
        build=_running(limits, keeps=False),
        max_calls=0,
        min_inputs=0,
        needs_sandbox=True,
        parameters=_parameters(limits, {"stdin": {"type": "string", "description": "What the script reads as input."}}),
    )


def python_session_tool(limits: Limits = LIMITS, *, name: str = "PYTHON_SESSION") -> OperatorTemplate:
    """The tool whose scripts see what earlier ones of the run defined.

    `bind` wants the contents of the run's earlier results of this tool as `inputs`, in order; other inputs carry no
    code and change nothing. Their scripts run again first, within the same limits, and what they print is dropped. Not
    kept: the order in which sets of strings are walked, and whatever depends on the clock.
    """
    return OperatorTemplate(
        name=name,
        purpose="Run a Python script in a sandbox, with what this tool's earlier scripts in the run defined.",
        accepts="a script that uses the standard library only; variables, functions and imports of earlier ones remain",
        output="result",
        build=_running(limits, keeps=True),
        max_calls=0,
        min_inputs=0,
        needs_sandbox=True,
        parameters=_parameters(limits, {}),
        stateful=True,
    )


def _parameters(limits: Limits, more: dict[str, Any]) -> dict[str, Any]:
    bounds = f"Ended after {limits.seconds:g} s, or with more than {limits.memory_mb} MiB of memory."
    told = f"The script. Print results, or end with an expression. {bounds}"
    code = {"type": "string", "minLength": 1, "maxLength": 100_000, "description": told}
    return {
        "type": "object",
        "properties": {"code": code, **more},
        "required": ["code"],
        "additionalProperties": False,
    }


def _running(limits: Limits, *, keeps: bool) -> Builder:
    async def run(job: Job) -> Outcome:
        assert job.sandbox is not None, "bind gives a sandbox to every template that needs one"
        given = arguments_of(job)
        code: str = given["code"]
        program = telling(code, replay(earlier(job.inputs.values())) if keeps else "")
        execution = await job.sandbox.arun(program, stdin=given.get("stdin", ""), limits=limits)
        return _told(job.template.name, code if keeps else None, execution, limits)

    return calling(run)


def _told(name: str, code: str | None, execution: Execution, limits: Limits) -> Outcome:
    """The result of a script that came to its end or raised; `code` is kept where it is given and did not raise."""
    if execution.status not in {"ok", "error"}:
        told = " ".join(excerpt(execution.stdout, SHORT).split())
        printed = f"; it had printed: {told}" if told else ""
        fix = f"Ask for less: {limits.seconds:g} s, {limits.memory_mb} MiB, {limits.file_mb} MiB of files and output"
        message = f"{name} was ended ({execution.status}): {execution.exception}{printed}"
        raise ToolFault(message, retryable=False, fix=fix)
    ok = execution.status == "ok"
    value, length = execution.value or (None, 0)
    return Outcome(
        kind="result",
        content="\n".join([*([kept(code)] if code is not None and ok else []), *_lines(execution, value, limits)]),
        answer=_answer(execution.stdout, value, length) if ok else None,
        data={
            "status": execution.status,
            "exception": execution.exception,
            "value": value,
            "printed": len(execution.stdout),
            "left_out": max(0, len(execution.stdout) - SHOWN),
            "truncated": execution.truncated or length > LONGEST_VALUE,
            "seconds": round(execution.seconds, 3),
        },
    )


def _lines(execution: Execution, value: str | None, limits: Limits) -> list[str]:
    lines = [f"Status: {execution.status}"]
    if execution.exception:
        lines.append(f"Exception: {excerpt(execution.exception, SHOWN_ERRORS)}")
    if value is not None:
        lines.append(f"Value: {excerpt(value, SHOWN)}")
    if printed := execution.stdout.strip("\n"):
        lines.append(f"Printed:\n{excerpt(printed, SHOWN)}")
    if errors := execution.stderr.strip():
        lines.append(f"On stderr:\n{excerpt(errors, SHOWN_ERRORS)}")
    if execution.truncated:
        lines.append(f"Only the first {limits.output_kb} KiB of output were kept.")
    if len(lines) == 1:
        lines.append("Nothing was printed, and the script ends with no expression.")
    return lines


def _answer(printed: str, value: str | None, length: int) -> str | None:
    """The value; without one, what was printed, if that is one short line. None: there is no single value."""
    if value is not None:
        return value if value.strip() and length <= LONGEST_VALUE else None
    line = printed.strip()
    return line if line and "\n" not in line and len(line) <= SHORT else None


PYTHON: Final = python_tool()
PYTHON_SESSION: Final = python_session_tool()
