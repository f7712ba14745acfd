"""However a run ends there is a record of it, and the record can be written as JSON: what the program did is data,
never an exception in the host."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

End = Literal["error", "timeout", "memory", "limit", "killed"]
"""How a run can go wrong. `error`: it raised, or ended before its end; `timeout`: wall or processor time ran out;
`memory`: so did memory; `limit`: processes, file sizes or output did; `killed`: a signal ended it."""


class Execution(BaseModel):
    """What one program did."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", ser_json_inf_nan="strings")

    status: Literal["ok", End]
    """`ok`: it ran to its end, or left with exit code 0."""
    stdout: str
    """What it printed, up to the limit; bytes that are no UTF-8 are replaced."""
    stderr: str
    """The same for stderr; a traceback ends it when there was an exception."""
    exception: str | None = None
    """`Type: message`, or what ended the program instead; None: nothing did."""
    value: Any | None = None
    """What `solve()` returned, plain data. None: the program defines no `solve()`, or that returned None."""
    seconds: float
    """Wall time, start-up included."""
    truncated: bool = False
    """Whether stdout or stderr is longer than what was kept."""


class Verdict(BaseModel):
    """What the tests found."""

    model_config = ConfigDict(frozen=True)

    status: Literal["passed", "failed", End]
    """`passed`: the tests reached their end, at least one assertion was evaluated and every one held. `failed`: one
    did not hold, or the candidate raised. `error`: no judgement (tests or candidate do not load, nothing asserted)."""
    asserted: int
    """Assertions evaluated."""
    failures: list[str]
    """A line for each assertion that did not hold, and for what ended the tests."""
    stdout: str
    """What the candidate printed, then what the tests did, each up to the limit."""
    stderr: str
    """The same for stderr."""
    seconds: float
    """Wall time, start-up included."""
    truncated: bool = False
    """Whether any of this output is longer than what was kept."""
