"""A provider says how a process is confined; running programs and judging candidates is the same for all of them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

from .bundle import Stage
from .check import check_candidate
from .execution import Execution, Verdict
from .inside.jobs import Confinement
from .launch import Launch
from .limits import DEFAULT_LIMITS, Limits
from .program import run_program
from .protocol import SandboxUnavailable
from .seccomp import seccomp_filter

_Result = TypeVar("_Result")


class Provider(ABC):
    """A sandbox built from one way of starting a confined process."""

    name: ClassVar[str]

    @abstractmethod
    def launch(self, limits: Limits) -> Launch:
        """How to start one process. Called once for each."""

    async def arun(self, source: str, *, stdin: str = "", limits: Limits = DEFAULT_LIMITS) -> Execution:
        """See Sandbox.arun."""
        launch = await asyncio.to_thread(self.launch, limits)
        return await run_program(launch, source, stdin, limits)

    async def acheck(
        self, candidate: str, tests: str, *, entry_point: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> Verdict:
        """See Sandbox.acheck."""
        launches = [await asyncio.to_thread(self.launch, limits) for _ in range(2)]
        return await check_candidate((launches[0], launches[1]), candidate, tests, entry_point, limits)

    def run(self, source: str, *, stdin: str = "", limits: Limits = DEFAULT_LIMITS) -> Execution:
        """See Sandbox.run."""
        return _wait_for(self.arun(source, stdin=stdin, limits=limits))

    def check(
        self, candidate: str, tests: str, *, entry_point: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> Verdict:
        """See Sandbox.check."""
        return _wait_for(self.acheck(candidate, tests, entry_point=entry_point, limits=limits))


def confine_stage(limits: Limits, uid: int | None) -> Stage:
    """The stage every provider ends its launch with. Raises SandboxUnavailable on a machine it cannot lock."""
    seccomp = seccomp_filter()
    if seccomp is None:
        raise SandboxUnavailable("no system call filter is known for this machine", fix="Use x86_64 or aarch64")
    job: Confinement = {"uid": uid, "rlimits": limits.as_rlimits(), "seccomp": seccomp}
    return Stage("confine", job)


def _wait_for(work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of `work`, in this thread, or in another one where this thread is inside an event loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, thread_name_prefix="sandbox") as pool:
        return pool.submit(asyncio.run, work).result()
