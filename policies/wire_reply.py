"""A reply of chat completions as it came over the wire, whole or in pieces, whatever a client makes of it later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .captured import Captured, Choice, Message
from .tokens import Tokens


def read_reply(captured: Captured, content: bytes) -> None:
    """Takes down the body of a whole reply."""
    try:
        raw = json.loads(content)
    except ValueError:
        return
    choices = raw.get("choices") if isinstance(raw, dict) else None
    if not isinstance(choices, list):
        return
    prompt = raw.get("prompt_token_ids")
    for choice in choices:
        message = choice.get("message") or {}
        entries = (choice.get("logprobs") or {}).get("content") or []
        captured.choices.append(Choice(
            text=message.get("content") or "",
            message=_called(message.get("content"), message.get("tool_calls")),
            tokens=Tokens(prompt, choice.get("token_ids") or [], [entry["logprob"] for entry in entries]),
            finish_reason=choice.get("finish_reason"),
        ))  # fmt: skip
    captured.model = raw.get("model")
    _count(captured, raw.get("usage"))


def _called(content: Any, calls: Any) -> Message | None:
    """The reply as a message, where it calls tools: as LangChain sends it back in the next prompt."""
    if not calls:
        return None
    kept = [{name: call.get(name) for name in ("type", "id", "function")} for call in calls]
    return {"role": "assistant", "content": content or None, "tool_calls": kept}


def _count(captured: Captured, usage: Mapping[str, Any] | None) -> None:
    """Tokens in and out, by the server's count, else by its ids."""
    captured.estimated = usage is None and not any(choice.tokens.token_ids for choice in captured.choices)
    first = captured.choices[0].tokens.prompt_token_ids if captured.choices else None
    captured.input_tokens = usage["prompt_tokens"] if usage else len(first or [])
    sampled = sum(len(choice.tokens.token_ids) for choice in captured.choices)
    captured.output_tokens = usage["completion_tokens"] if usage else sampled


class Pieces:
    """What has come of a stream so far; it may end at any piece."""

    def __init__(self, captured: Captured) -> None:
        """Nothing has come."""
        self.captured = captured
        self.choice = Choice("", None, Tokens(), None)
        self.texts: list[str] = []
        self.calls: dict[int, dict[str, Any]] = {}
        self.usage: Mapping[str, Any] | None = None

    def add(self, chunk: Any) -> None:
        """One chunk, as the SDK read it."""
        with self.captured.unharmed():
            self._add(chunk)

    def _add(self, chunk: Any) -> None:
        body = chunk if isinstance(chunk, dict) else chunk.model_dump(warnings=False)
        self.captured.model = body.get("model") or self.captured.model
        self.usage = body.get("usage") or self.usage
        if body.get("prompt_token_ids") is not None:
            self.choice.tokens.prompt_token_ids = body["prompt_token_ids"]
        for piece in body.get("choices") or []:
            delta = piece.get("delta") or {}
            self.texts.append(delta.get("content") or "")
            for call in delta.get("tool_calls") or []:
                self._add_call(call)
            entries = (piece.get("logprobs") or {}).get("content") or []
            self.choice.tokens.token_ids += piece.get("token_ids") or []
            self.choice.tokens.logprobs += [entry["logprob"] for entry in entries]
            self.choice.finish_reason = piece.get("finish_reason") or self.choice.finish_reason

    def _add_call(self, piece: dict[str, Any]) -> None:
        function = piece.get("function") or {}
        call = self.calls.setdefault(
            piece.get("index") or 0, {"type": "function", "id": None, "function": {"name": "", "arguments": ""}}
        )
        call["id"] = piece.get("id") or call["id"]
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""

    def settle(self) -> None:
        """Writes down what has come."""
        self.choice.text = "".join(self.texts)
        self.choice.message = _called(self.choice.text, list(self.calls.values()))
        self.captured.choices = [self.choice]
        _count(self.captured, self.usage)
