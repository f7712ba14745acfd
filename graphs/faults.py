"""A fault says whose it is: only a policy fault is charged to the policy, and every kind keeps its code, its message
and what would have been accepted."""

from __future__ import annotations

from typing import Final, Literal

from typing_extensions import TypedDict

from ..errors import FlowwrightError
from ..operators.outcome import EmptyReply, ToolFault
from ..policies.faults import ProviderError, ReplyError

MESSAGE: Final = 800
EXPECTED: Final = 4_000
"""Characters of a fault's texts."""
FaultKind = Literal["policy", "tool", "provider", "budget", "internal"]


class Fault(TypedDict):
    """One refusal or failure, as the designer, the trace and the reward read it."""

    kind: FaultKind
    """Whose fault: the model's action, a tool, the model's server, a limit, or ourselves."""
    code: str
    """Stable word to count and filter by."""
    message: str
    """One line that names the thing at fault."""
    expected: str | None
    """What would have been accepted; None: nothing the designer can change."""
    where: str | None
    """Id of the operation or stage; None: the decision as a whole."""


def fault(kind: FaultKind, code: str, message: str, *, expected: str | None = None, where: str | None = None) -> Fault:
    """A `Fault` with the optional parts left out; its texts may hold what a model wrote, so their length is bounded."""
    accepted = None if expected is None else cut(expected, EXPECTED)
    return Fault(kind=kind, code=code, message=cut(message, MESSAGE), expected=accepted, where=where)


def cut(text: str, limit: int) -> str:
    """`text` whole, or its beginning and its end within `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit // 2]} [...] {text[-(limit // 2 - 7) :]}"


class Refused(FlowwrightError, ValueError):
    """A decision that cannot be carried out. Carries every unmet constraint at once: one repair can meet them all."""

    def __init__(self, faults: list[Fault]) -> None:
        """`faults` holds at least one fault."""
        super().__init__("; ".join(one["message"] for one in faults))
        self.faults = faults


class BudgetExhausted(FlowwrightError):
    """A limit of the run forbids the next call."""


def fault_of(error: FlowwrightError, where: str | None = None) -> Fault:
    """The typed record of an expected failure. Unexpected exceptions are not converted: they are raised."""
    match error:
        case ReplyError():
            return fault("policy", error.code, error.message, expected=error.expected, where=where)
        case ProviderError():
            return fault("provider", error.code, error.message, expected=error.fix, where=where)
        case BudgetExhausted():
            return fault("budget", "exhausted", error.message, where=where)
        case EmptyReply():
            return fault("provider", "empty_reply", error.message, where=where)
        case ToolFault():
            code = "retryable" if error.retryable else "fatal"
            return fault("tool", code, error.message, expected=error.fix, where=where)
        case _:
            return fault("tool", type(error).__name__, error.message, expected=error.fix, where=where)
