"""A predicate is typed data about one outcome, decided by the runtime from fields; text is never searched for words."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from ...operators.outcome import OutcomeKind, VerdictWord

GOOD_VERDICTS: tuple[VerdictWord, ...] = ("accept", "minor_issues")


class Judged(Protocol):
    """What a predicate looks at: an operator's outcome, or the memory entry made of it."""

    def __getitem__(self, field: Literal["kind", "answer", "verdict", "passed", "data"]) -> object: ...


class _Test(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    negate: bool = False
    """True: the opposite is asked."""


class Passes(_Test):
    """A test passed, or a review accepted (minor issues allowed). Nothing asserted and no verdict: it does not hold."""

    test: Literal["passes"] = "passes"


class VerdictIn(_Test):
    """A review gave one of these verdicts."""

    test: Literal["verdict"] = "verdict"
    among: tuple[VerdictWord, ...] = Field(min_length=1)


class Support(_Test):
    """At least this share of the votes agrees."""

    test: Literal["support"] = "support"
    at_least: float = Field(ge=0, le=1)


class Answered(_Test):
    """The outcome carries an answer."""

    test: Literal["answered"] = "answered"


Predicate: TypeAlias = Annotated[Passes | VerdictIn | Support | Answered, Field(discriminator="test")]
FAILS = Passes(negate=True)
"""What a published conditional asks: its first branch mends what the checker refused."""

APPLIES_TO: dict[str, frozenset[OutcomeKind]] = {
    "passes": frozenset({"test", "review"}),
    "verdict": frozenset({"review"}),
    "support": frozenset({"vote"}),
    "answered": frozenset({"answer", "code", "vote", "text", "result"}),
}
"""Kinds of outcome that a predicate can be asked of: anything else is refused when the canvas is edited."""


def holds(predicate: Predicate, judged: Judged) -> bool:
    """Whether the predicate is true of an outcome or memory entry."""
    return _holds(predicate, judged) != predicate.negate


def _holds(predicate: Predicate, judged: Judged) -> bool:
    match predicate:
        case Passes():
            return judged["passed"] is True or judged["verdict"] in GOOD_VERDICTS
        case VerdictIn(among=among):
            return judged["verdict"] in among
        case Support(at_least=share):
            data = judged["data"]
            support = data.get("support") if isinstance(data, dict) else None
            return isinstance(support, int | float) and support >= share
        case Answered():
            return judged["answer"] is not None
