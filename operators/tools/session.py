"""Kept state is a pure function of a run's earlier calls: each result carries the code it ran, and the next call runs
that code again, silently and in order, before its own. There is nothing to lose when a process dies, and nothing to
share between runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..outcome import ToolFault

MOST_CALLS: Final = 20
MOST_CODE: Final = 40_000
"""Characters of earlier code that a call runs again."""
OPENING: Final = re.compile(r"Code kept for later calls \((\d{1,6}) characters\):\n(`{3,})python\n")
REPLAY: Final = """
def _replay(sources):
    import contextlib, io, random
    random.seed(0)
    for number, source in enumerate(sources, 1):
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(source, f"<call {number}>", "exec", dont_inherit=True), globals())
        except SystemExit:
            pass
        except Exception as fault:
            raise RuntimeError(f"kept call {number} does not run again: {type(fault).__name__}: {fault}") from None
"""
"""Runs inside the sandbox. Randomness starts the same way each time, so that a call run again gives what it gave."""


def kept(code: str) -> str:
    """`code` as the part of a result that `earlier` reads back, character for character."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"Code kept for later calls ({len(code)} characters):\n{fence}python\n{code}\n{fence}"


def earlier(results: Iterable[str]) -> list[str]:
    """The code that `results` carry, in order. A result of a call that failed carries none. Raises ToolFault for more
    than a call may run again."""
    found = [code for text in results if (code := _carried(text)) is not None]
    total = sum(map(len, found))
    if len(found) > MOST_CALLS or total > MOST_CODE:
        much = f"{len(found)} earlier calls with {total:,} characters of code"
        bounds = f"{MOST_CALLS} calls and {MOST_CODE:,} characters"
        fix = f"At most {bounds} are kept: write one program that holds what is still needed"
        raise ToolFault(f"{much} are too many to run again", retryable=False, fix=fix)
    return found


def replay(sources: list[str]) -> str:
    """One line of statements that runs `sources` again."""
    return f"exec({REPLAY!r}); _replay({sources!r})"


def _carried(text: str) -> str | None:
    """What follows the opening at the very start of a result; None: no code is carried. Output that looks like an
    opening comes later in a result, where none is looked for."""
    opening = OPENING.match(text)
    if opening is None:
        return None
    return text[opening.end() : opening.end() + int(opening[1])]
