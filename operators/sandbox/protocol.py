"""A sandbox either protects the host or does not exist: there is no provider that runs code unprotected, and opening
one that cannot work here raises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ...errors import UsageError
from .execution import Execution, Verdict
from .limits import DEFAULT_LIMITS, Limits


class SandboxUnavailable(UsageError):
    """No sandbox can be had on this machine as it is set up."""


@runtime_checkable
class Sandbox(Protocol):
    """Runs code nobody trusts. Every method is safe to call from many threads at once. Raises SandboxUnavailable when
    the machine no longer lets a sandbox start; what the code inside does is always in the result."""

    @property
    def name(self) -> str:
        """The provider's name, as `open_sandbox` takes it."""
        ...

    def run(self, source: str, *, stdin: str = "", limits: Limits = DEFAULT_LIMITS) -> Execution:
        """Runs `source` in a fresh interpreter with `stdin`, and calls `solve()` if it defines that function without
        parameters."""
        ...

    def check(
        self, candidate: str, tests: str, *, entry_point: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> Verdict:
        """Judges `candidate` by `tests`: assertions, functions named `test_...`, or `check(candidate)`, which is called
        with the candidate's `entry_point` (None: the tests call the candidate's functions by name). The candidate runs
        apart from the tests and cannot touch the verdict."""
        ...

    async def arun(self, source: str, *, stdin: str = "", limits: Limits = DEFAULT_LIMITS) -> Execution:
        """`run`, as a coroutine; cancelling it kills the run."""
        ...

    async def acheck(
        self, candidate: str, tests: str, *, entry_point: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> Verdict:
        """`check`, as a coroutine; cancelling it kills both processes."""
        ...
