"""A question to SymPy is answered within the time limit or its process is dead; nothing is shared between questions."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from typing import Any, Final

from ...errors import UsageError
from ..outcome import ToolFault

SECONDS: Final = 10.0
WORKER: Final = "symbolic.py"


@dataclass(frozen=True)
class Result:
    """One expression that SymPy gave."""

    text: str
    """In the notation that the tools read."""
    decimal: str | None
    """Its value to 15 digits; None: it is no number, or infinite."""
    exact: bool
    """Whether it is a rational number."""

    @property
    def line(self) -> str:
        """The expression, and its decimal value where that says more."""
        return self.text if self.decimal in {None, self.text} else f"{self.text} ≈ {self.decimal}"


async def solved(request: dict[str, Any], seconds: float = SECONDS) -> list[Result]:
    """What SymPy says to `request` (see symbolic.py). Raises ToolFault when it says nothing within `seconds`, or that
    there is nothing to say, and UsageError where SymPy is not installed."""
    if find_spec("sympy") is None:
        raise UsageError("symbolic mathematics needs SymPy", fix="Run: pip install 'flowwright[tools]'")
    reply = await _asked(json.dumps(request).encode(), seconds)
    if fault := reply.get("fault"):
        raise ToolFault(str(fault), retryable=False)
    return [Result(**one) for one in reply["results"]]


async def _asked(request: bytes, seconds: float) -> dict[str, Any]:
    with as_file(files(__package__) / WORKER) as script:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(script)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        try:
            async with asyncio.timeout(seconds):
                reply, _ = await process.communicate(request)
        except TimeoutError:
            message = f"no answer was found within {seconds:g} s"
            raise ToolFault(message, retryable=False, fix="Simplify the question, or ask for it in parts") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        raise ToolFault("the calculation ran out of memory or crashed", retryable=False, fix="Ask for less")
    answer: dict[str, Any] = json.loads(reply)
    return answer
