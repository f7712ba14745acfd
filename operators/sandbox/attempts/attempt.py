"""An attempt counts as repelled only if it was made: a program that fails for a reason of its own proves nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from ..execution import Execution, Verdict
from ..limits import Limits


class Attempt(BaseModel):
    """What became of one attempt."""

    model_config = ConfigDict(frozen=True)

    name: str
    tries: str
    """What the program tried, in words."""
    passed: bool
    """Whether the sandbox held."""
    detail: str
    """What the program got hold of, or how it was stopped."""


_PREAMBLE = """
import json, os, sys, time
bait = json.loads(sys.stdin.readline())
got = []

def grab(what, action):
    try:
        result = action()
    except (Exception, SystemExit):
        return None
    got.append(what)
    return result
"""
_CONCLUSION = """
def solve():
    return got
"""

SMALL = Limits(seconds=10, cpu_seconds=5, memory_mb=128, processes=12, file_mb=4, output_kb=16)
"""Limits under which even an attempt that succeeds costs little."""


@dataclass(frozen=True, slots=True)
class Escape:
    """A program that tries to get hold of something."""

    name: str
    tries: str
    program: str
    """Finds in `bait` what was laid out for it and adds to `got` what it got hold of."""
    stopped: frozenset[str] = field(default_factory=frozenset)
    """How the sandbox may end it before it can tell, beside letting it run to its end in vain."""
    limits: Limits = SMALL
    runs: int = 1
    """How often it is run; the later runs look for what the earlier ones left."""

    @property
    def source(self) -> str:
        """The whole program."""
        return _PREAMBLE + self.program + _CONCLUSION

    def failing(self, execution: Execution) -> str | None:
        """What the program got hold of, or why it proves nothing; None: it was repelled."""
        kept = self.limits.output_bytes
        if max(len(execution.stdout.encode()), len(execution.stderr.encode())) > 3 * kept:
            return "more output was kept than the limit allows"
        if execution.seconds > self.limits.seconds + 2:
            return f"it ran for {execution.seconds:.1f} s"
        if execution.status in self.stopped:
            return None
        if execution.status != "ok":
            return f"the attempt could not be made: {execution.status}, {execution.exception}"
        return None if execution.value == [] else f"it got {execution.value}"


@dataclass(frozen=True, slots=True)
class Forgery:
    """A wrong solution that tries to be judged right. It is asked for `add(a, b)`."""

    name: str
    tries: str
    candidate: str

    def failing(self, verdict: Verdict) -> str | None:
        """Why the forgery worked; None: it did not."""
        return "a wrong candidate was judged right" if verdict.status == "passed" else None


ADD_TESTS = """
def check(candidate):
    assert candidate(2, 3) == 5
    assert all(value == 6 for value in map(candidate, [10, 2], [-4, 4]))
    assert abs(candidate(0.1, 0.2) - 0.3) < 1e-9
    assert isinstance(candidate(1, 1), int)
"""
"""What a forgery is judged by."""
