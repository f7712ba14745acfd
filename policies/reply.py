"""A reply is plain data: equal after a round trip through JSON and through a chat message, tokens included.

Invariant: `Reply.of(reply.as_message()) == reply`, so a reply recalled from a journal cannot be told from a fresh one.
What chat models of this package know beyond LangChain's own fields (token ids, log-probs, what was sent) travels in
one place, `message.response_metadata["flowwright"]`; nothing of it is in the content or anywhere else in the message.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel, ConfigDict, Field

RECORD = "flowwright"
"""The key in `response_metadata` under which a message carries its record."""

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "eos": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
}
_FINISH_KEYS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_MODEL_KEYS = ("model_name", "model", "model_id")
_RECORDED = {"prompt_token_ids", "token_ids", "logprobs", "logprobs_mode", "version", "tokens_incomplete", "sent"}
_CHARACTERS_PER_TOKEN = 4


class Reply(BaseModel):
    """One answered model call. Tool calls are not part of it: roles and operators speak text and JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    """The answer; empty when the model said nothing."""
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    estimated: bool = False
    """True: the provider reported no usage; the two counts are token ids counted, else a quarter of the characters."""
    finish_reason: str | None = None
    """`stop`, `length` (cut at the token limit) or the provider's own word in lower case; None: it gave none."""
    model: str | None = None
    """Which model answered; None: the provider did not say."""
    prompt_token_ids: list[int] | None = None
    """The prompt as the server tokenized it; None: not asked for, or not sent."""
    token_ids: list[int] | None = None
    """The sampled tokens; None as above."""
    logprobs: list[float] | None = None
    """One natural-log probability per sampled token, of the distribution the server reports; None as above."""
    logprobs_mode: Literal["processed", "raw"] | None = None
    """Which one that is: `processed`, the one sampled from; `raw`, the one before temperature, nucleus and penalties;
    None: unknown."""
    version: str | None = None
    """What exactly answered: an adapter's name with its number, a fingerprint of local weights; None: unknown."""
    tokens_incomplete: bool = False
    """True: token ids were asked for and came back missing or in numbers that do not agree. Not for training."""
    sent: dict[str, Any] | None = None
    """The request as it went out (see `sent.py`); None: this model class gives no view of it."""

    @property
    def constrained(self) -> bool:
        """Whether a grammar masked the sampling, so that forced tokens have log-probability 0."""
        return any(key in (self.sent or {}) for key in ("structured_outputs", "response_format"))

    @classmethod
    def of(cls, message: BaseMessage) -> Reply:
        """The record of a chat model's answer, of any LangChain provider."""
        metadata = message.response_metadata
        record = metadata.get(RECORD) or {}
        text = str(message.text)
        usage = getattr(message, "usage_metadata", None)
        counted = (usage["input_tokens"], usage["output_tokens"]) if usage else _estimate(text, record)
        finish = _first(metadata, _FINISH_KEYS)
        return cls(
            text=text,
            input_tokens=counted[0],
            output_tokens=counted[1],
            estimated=not usage,
            finish_reason=_FINISH.get(finish.lower(), finish.lower()) if finish else None,
            model=_first(metadata, _MODEL_KEYS),
            **record,
        )

    def as_message(self) -> AIMessage:
        """The message this reply was, record included."""
        total = self.input_tokens + self.output_tokens
        metadata: dict[str, Any] = {
            "finish_reason": self.finish_reason,
            "model_name": self.model,
            RECORD: self.model_dump(include=_RECORDED, exclude_defaults=True),
        }
        return AIMessage(
            content=self.text,
            response_metadata={key: value for key, value in metadata.items() if value},
            usage_metadata=None
            if self.estimated
            else {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens, "total_tokens": total},
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data without the fields that say nothing."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reply:
        """The inverse of `as_json`. Raises pydantic's ValidationError (a ValueError) for anything else."""
        return cls.model_validate(data)


def _first(metadata: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((metadata[key] for key in keys if isinstance(metadata.get(key), str) and metadata[key]), None)


def _estimate(text: str, record: dict[str, Any]) -> tuple[int, int]:
    """Input and output tokens of a call whose provider counted none."""
    characters = ((record.get("sent") or {}).get("messages") or {}).get("characters", 0)
    prompt, sampled = record.get("prompt_token_ids"), record.get("token_ids")
    return (
        len(prompt) if prompt is not None else ceil(characters / _CHARACTERS_PER_TOKEN),
        len(sampled) if sampled is not None else ceil(len(text) / _CHARACTERS_PER_TOKEN),
    )
