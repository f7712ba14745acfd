"""A sandbox is believed when it has been attacked: each attempt is made for real, with real things to take."""

from __future__ import annotations

from ..protocol import Sandbox
from .attempt import ADD_TESTS, SMALL, Attempt, Escape, Forgery
from .bait import Bait
from .files import FILES
from .forgery import FORGERIES
from .kernel import KERNEL
from .network import NETWORK
from .processes import PROCESSES
from .resources import RESOURCES

ESCAPES = (*FILES, *PROCESSES, *NETWORK, *RESOURCES, *KERNEL)
"""All attempts of a program to get hold of something."""


def self_check(sandbox: Sandbox) -> list[Attempt]:
    """Makes every attempt against `sandbox`, first of all the control: that honest code works in it. Takes some ten
    seconds. Raises SandboxUnavailable when the sandbox does not start."""
    with Bait() as bait:
        escapes = [_escape(sandbox, escape, bait) for escape in ESCAPES]
    return [*_controls(sandbox), *escapes, *(_forge(sandbox, forgery) for forgery in FORGERIES)]


def _controls(sandbox: Sandbox) -> list[Attempt]:
    execution = sandbox.run("import json, math\ndef solve():\n    return [math.factorial(5), {'a': [1, 2]}]\n")
    verdict = sandbox.check("def add(a, b):\n    return a + b\n", ADD_TESTS, entry_point="add")
    return [
        Attempt(
            name="honest-program",
            tries="compute something and return it",
            passed=execution.status == "ok" and execution.value == [120, {"a": [1, 2]}],
            detail=execution.exception or str(execution.value),
        ),
        Attempt(
            name="honest-solution",
            tries="solve the task that the forgeries are asked for",
            passed=verdict.status == "passed" and verdict.asserted == 4,
            detail="; ".join(verdict.failures) or verdict.status,
        ),
    ]


def _escape(sandbox: Sandbox, escape: Escape, bait: Bait) -> Attempt:
    for _ in range(escape.runs):
        execution = sandbox.run(escape.source, stdin=bait.line(), limits=escape.limits)
        failing = bait.evidence() or escape.failing(execution)
        if failing:
            break
    detail = failing or execution.exception or "in vain"
    return Attempt(name=escape.name, tries=escape.tries, passed=failing is None, detail=detail)


def _forge(sandbox: Sandbox, forgery: Forgery) -> Attempt:
    verdict = sandbox.check(forgery.candidate, ADD_TESTS, entry_point="add", limits=SMALL)
    failing = forgery.failing(verdict)
    detail = failing or "; ".join([verdict.status, *verdict.failures[:1]])
    return Attempt(name=forgery.name, tries=forgery.tries, passed=failing is None, detail=detail)
