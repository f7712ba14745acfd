"""An outcome is complete and plain: its text is never empty, its dump is JSON-native, and what is unknown is None."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from ..errors import FlowwrightError

OutcomeKind = Literal["text", "plan", "answer", "review", "code", "test", "vote", "result"]
"""`result`: what a tool gave."""
VerdictWord = Literal["accept", "minor_issues", "major_issues", "reject"]


class EmptyReply(FlowwrightError):
    """A model answered with nothing to read."""


class ToolFault(FlowwrightError):
    """A tool gave no result. The message is for the designer; `fix` says what would be accepted, where it is known."""

    def __init__(self, message: str, *, retryable: bool, fix: str | None = None) -> None:
        """`retryable`: the same call may succeed later (a time-out, a busy server); else only another call can."""
        super().__init__(message, fix=fix)
        self.retryable = retryable


class Outcome(BaseModel):
    """What one operation yields. Frozen; `model_dump()` is JSON-native."""

    model_config = ConfigDict(frozen=True)

    kind: OutcomeKind
    content: str
    """What later operators and the designer read. Never blank."""
    answer: str | None = None
    """The final answer found in the content; None: none was found, or this kind has none."""
    verdict: VerdictWord | None = None
    """Of a review; None: not a review, or a review that reached no verdict."""
    passed: bool | None = None
    """Of a test; None: not a test, or nothing was asserted."""
    data: dict[str, JsonValue] = Field(default_factory=dict)
    """Structured result: votes, the execution report, flags such as `truncated`."""

    @field_validator("content")
    @classmethod
    def _not_blank(cls, content: str) -> str:
        if not content.strip():
            raise ValueError("the content of an outcome is never blank")
        return content
