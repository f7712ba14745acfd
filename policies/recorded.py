"""Every reply of an OpenAI-compatible model carries what was sent for it, and a cut reply is a reply, not an exception.

Invariants: one request is one attempt (the SDK retries nothing; see `retry.py`); the record lies in
`message.response_metadata["flowwright"]`, on the last chunk when streamed; a schema goes out in the body without the
SDK's `.parse`, so a reply cut at the token limit keeps its text and its tokens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import openai
from langchain_core.caches import BaseCache
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import Field

from ..errors import UsageError
from .faults import ProviderError
from .reply import RECORD
from .sent import sent_of
from .tokens import Tokens
from .transport import async_client, time_limits

ANSWERED_BY = "answered_by"
"""Where a subclass puts the model's name into a chunk's `generation_info`, to have it checked."""


class RecordedOpenAI(ChatOpenAI):
    """`ChatOpenAI` over chat completions, one attempt a call, with a record on each reply."""

    max_retries: int | None = 0
    use_responses_api: bool | None = False
    stream_usage: bool | None = True
    cache: BaseCache | bool | None = Field(default=False, exclude=True)
    request_timeout: Any = Field(default_factory=lambda: time_limits(300.0), alias="timeout")
    http_async_client: Any = Field(default_factory=async_client, exclude=True)
    legacy_max_tokens: bool = False
    """Send the limit as `max_tokens`: servers that are only compatible ignore `max_completion_tokens` in silence."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Not by LangChain's loader, which would look for this class in langchain-openai."""
        return False

    def _get_request_payload(
        self,
        input_: LanguageModelInput,
        *,
        stop: list[str] | None = None,
        sent_into: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The SDK's arguments; what of them goes into the body is also written to `sent_into`."""
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        if payload.get("stream") and (payload.get("n") or 1) > 1:
            raise UsageError("Streaming n > 1 choices would mix their tokens", fix="Use n=1, or invoke")
        if isinstance(payload.get("response_format"), dict):
            payload["extra_body"] = {
                **(payload.get("extra_body") or {}),
                "response_format": payload.pop("response_format"),
            }
        if self.legacy_max_tokens and "max_completion_tokens" in payload:
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        if sent_into is not None:
            sent_into.update(sent_of(payload))
        return payload

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        choices = response.get("choices") if isinstance(response, dict) else getattr(response, "choices", None)
        if not choices:
            raise ProviderError("bad response: the server answered without a choice", code="bad_response")
        return super()._create_chat_result(response, generation_info)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        sent: dict[str, Any] = {}
        try:
            result = super()._generate(messages, stop, run_manager, sent_into=sent, **kwargs)
        except openai.LengthFinishReasonError as cut:
            result = self._create_chat_result(cut.completion)
        return self._recorded(result, sent, self._known(sent["model"]))

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        sent: dict[str, Any] = {}
        try:
            result = await super()._agenerate(messages, stop, run_manager, sent_into=sent, **kwargs)
        except openai.LengthFinishReasonError as cut:
            result = self._create_chat_result(cut.completion)
        return self._recorded(result, sent, await self._aknown(sent["model"]))

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        sent: dict[str, Any] = {}
        seen = _Seen()
        for chunk in super()._stream(*args, sent_into=sent, **kwargs):
            if seen.add(chunk):
                self._check_model(seen.model, sent)
            yield chunk
        yield self._last_chunk(seen, sent, self._known(sent["model"]))

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        sent: dict[str, Any] = {}
        seen = _Seen()
        async with aclosing(super()._astream(*args, sent_into=sent, **kwargs)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if seen.add(chunk):
                    self._check_model(seen.model, sent)
                yield chunk
        yield self._last_chunk(seen, sent, await self._aknown(sent["model"]))

    def _recorded(self, result: ChatResult, sent: dict[str, Any], known: dict[str, Any]) -> ChatResult:
        self._check_model((result.llm_output or {}).get("model_name"), sent)
        for generation in result.generations:
            message = generation.message
            tokens = Tokens.popped(generation.generation_info)
            record = self._record(tokens, _output_tokens(message) if len(result.generations) == 1 else None)
            message.response_metadata[RECORD] = {**record, **known, "sent": sent}
        return result

    def _last_chunk(self, seen: _Seen, sent: dict[str, Any], known: dict[str, Any]) -> ChatGenerationChunk:
        """An empty chunk with the record of the whole stream: merging it per chunk would be quadratic in length."""
        if not seen.finished:
            raise ProviderError("bad response: the stream ended before the reply did", code="bad_response")
        record = {**self._record(seen.tokens, seen.output_tokens), **known, "sent": sent}
        return ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata={RECORD: record}))

    def _record(self, tokens: Tokens, output_tokens: int | None) -> dict[str, Any]:
        """What to say of the tokens; `output_tokens`: as the server counted them, None if it did not."""
        return {}

    def _known(self, model: str) -> dict[str, Any]:
        """What is known of the server of `model`, for the record."""
        return {}

    async def _aknown(self, model: str) -> dict[str, Any]:
        """As `_known`."""
        return {}

    def _check_model(self, answered: str | None, sent: dict[str, Any]) -> None:
        """Hosted models answer under their release's name, which tells nothing: any name is accepted here."""


class _Seen:
    """What has come of a stream so far. Token pieces are taken out of the chunks on the way."""

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.model: str | None = None
        self.finished = False
        self.output_tokens: int | None = None

    def add(self, chunk: ChatGenerationChunk) -> bool:
        """Whether the chunk names the model that speaks."""
        info = chunk.generation_info or {}
        named = ANSWERED_BY in info
        self.model = info.pop(ANSWERED_BY, self.model)
        self.finished = self.finished or bool(info.get("finish_reason"))
        self.tokens.extend(Tokens.popped(info))
        self.output_tokens = _output_tokens(chunk.message) or self.output_tokens
        return named


def _output_tokens(message: BaseMessage) -> int | None:
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    return usage["output_tokens"] if usage else None
