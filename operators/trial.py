"""Whatever a program does is reported and nothing is made better: `passed` is True only if assertions were evaluated
and all held, False if anything went wrong, None if nothing was asserted or there was nothing to run."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .context import excerpt
from .outcome import Outcome
from .program import Check, checks_of
from .sandbox import Execution, Sandbox, Verdict
from .source import find_source, is_program

SHOWN: Final = 1_500
"""Characters of output shown in a report; the data has all that the sandbox kept."""
NOT_PLAIN: Final = "is not plain data"
"""How a sandbox says that a result cannot cross from the candidate to tests that run apart from it."""
UNASSERTED: Final = "the tests evaluated no assertion"
"""How a sandbox says that tests ran to their end without an assertion."""


@dataclass(frozen=True)
class Run:
    """The other thing to ask of a sandbox: run this program and call its `solve()`."""

    code: str


Steps = Generator[Run | Check, Any, Outcome]
"""Asks for runs and checks, is sent what came out, returns the outcome. Waits for nothing itself."""


def drive(steps: Steps, sandbox: Sandbox) -> Outcome:
    """Carry out `steps`."""
    try:
        asked = next(steps)
        while True:
            if isinstance(asked, Run):
                asked = steps.send(sandbox.run(asked.code))
            else:
                asked = steps.send(sandbox.check(asked.candidate, asked.tests, entry_point=asked.entry_point))
    except StopIteration as done:
        return _returned(done)


async def adrive(steps: Steps, sandbox: Sandbox) -> Outcome:
    """Carry out `steps` without holding up the event loop."""
    try:
        asked = next(steps)
        while True:
            if isinstance(asked, Run):
                asked = steps.send(await sandbox.arun(asked.code))
            else:
                asked = steps.send(await sandbox.acheck(asked.candidate, asked.tests, entry_point=asked.entry_point))
    except StopIteration as done:
        return _returned(done)


def _returned(done: StopIteration) -> Outcome:
    assert isinstance(done.value, Outcome), "the steps end with an outcome"
    return done.value


def trial(inputs: Mapping[str, str]) -> Steps:
    """Try the first program among the inputs; the others may hold tests for it."""
    sources = {key: source for key, text in inputs.items() if (source := find_source(text)).code}
    programs = [key for key, source in sources.items() if is_program(source.code)]
    first = next(iter([*programs, *sources]), None)
    if first is None:
        return _nothing(inputs)
    code = sources[first].code
    checks = checks_of(code, [text for key, text in inputs.items() if key != first])
    if not checks:
        return ran(code, (yield Run(code)))
    verdicts = []
    for check in checks:
        verdict: Verdict = yield check
        if check.isolated and any(NOT_PLAIN in failure for failure in verdict.failures):
            check = check.together()
            verdict = yield check
        verdicts.append((check, verdict))
    return judged(code, verdicts)


def _nothing(inputs: Mapping[str, str]) -> Outcome:
    labels = list(dict.fromkeys(label for text in inputs.values() for label in find_source(text).other_labels))
    why = f": the only fenced blocks are {', '.join(labels)}" if labels else ""
    content = f"Test result: nothing was run. There is no Python code in the input{why}."
    return Outcome(kind="test", content=content, data={"status": "no_code", "labels": [*labels]})


def ran(code: str, execution: Execution) -> Outcome:
    """The outcome of a program without assertions."""
    if execution.status == "ok":
        lines = ["Test result: the program ran to its end; nothing was asserted."]
    else:
        lines = [f"Test result: {execution.status}. The program did not run to its end."]
    if execution.exception:
        lines.append(f"Exception: {excerpt(execution.exception, SHOWN)}")
    if execution.value is not None:
        lines.append(f"solve() returned {excerpt(repr(execution.value), SHOWN)}")
    return Outcome(
        kind="test",
        content="\n".join([*lines, *_printed(execution)]),
        passed=None if execution.status == "ok" else False,
        data={"status": execution.status, "code": code, "execution": json.loads(execution.model_dump_json())},
    )


def judged(code: str, verdicts: list[tuple[Check, Verdict]]) -> Outcome:
    """The outcome of a program with assertions: as good as its worst check."""
    worst = next((verdict for _, verdict in verdicts if not _is_open(verdict) and verdict.status != "passed"), None)
    silent = all(_is_open(verdict) for _, verdict in verdicts)
    status = worst.status if worst else "not_asserted" if silent else "passed"
    asserted = sum(verdict.asserted for _, verdict in verdicts)
    lines = [f"Test result: {status}. Assertions evaluated: {asserted}."]
    for check, verdict in verdicts:
        if check.origin == "given" and not check.isolated:
            lines.append("Note: the program gives more than plain data, so it ran in one process with its tests.")
        lines += [f"- {excerpt(failure, SHOWN)}" for failure in verdict.failures]
        lines += _printed(verdict)
    reports = [
        {"origin": check.origin, "isolated": check.isolated, "tests": check.tests}
        | json.loads(verdict.model_dump_json())
        for check, verdict in verdicts
    ]
    return Outcome(
        kind="test",
        content="\n".join(lines),
        passed=None if silent else worst is None,
        data={"status": status, "asserted": asserted, "code": code, "checks": reports},
    )


def _is_open(verdict: Verdict) -> bool:
    """Whether the tests ran to their end without asserting anything."""
    return verdict.status == "error" and not verdict.asserted and verdict.failures == [UNASSERTED]


def _printed(result: Execution | Verdict) -> list[str]:
    streams = {"Printed": result.stdout, "On stderr": result.stderr}
    return [f"{name}:\n{excerpt(text.strip(), SHOWN)}" for name, text in streams.items() if text.strip()]
