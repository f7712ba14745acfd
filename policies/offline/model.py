"""An offline reply is a pure function of prompt, call seed and instance seed; it says of itself that no language model
wrote it, and its token counts are counts of words."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import field_validator

from ...digest import digest
from .dice import Dice
from .rates import rates_with

_WORD: Final = re.compile(r"\w+|[^\w\s]")
_PIECE: Final = re.compile(r"\s*\S+\s*")
PIECES: Final = 8
"""Words in one chunk of a stream."""


def word_count(text: str) -> int:
    """Words and signs of `text`: what the offline models report as tokens."""
    return sum(1 for _ in _WORD.finditer(text))


class OfflineChat(BaseChatModel):
    """A chat model that follows rules. It honours the call's `seed`; every other decoding option is ignored."""

    model_name: ClassVar[str]
    seed: int = 0
    """Added to every call's seed: two instances with different seeds err in different places."""
    error_rates: Mapping[str, float] | None = None
    """Changes to the table in `rates.py`; None: as documented."""

    @field_validator("error_rates")
    @classmethod
    def _known_rates(cls, changes: Mapping[str, float] | None) -> Mapping[str, float] | None:
        rates_with(changes)
        return changes

    @cached_property
    def rates(self) -> Mapping[str, float]:
        """The rates in force."""
        return rates_with(self.error_rates)

    @abstractmethod
    def reply(self, messages: Sequence[BaseMessage], dice: Dice) -> str:
        """The text of the reply."""

    @property
    def _llm_type(self) -> str:
        return "flowwright-offline"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "seed": self.seed, "error_rates": dict(self.rates)}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = self._text(messages, stop, kwargs.get("seed"))
        message = AIMessage(text, response_metadata=self._metadata(), usage_metadata=_usage(messages, text))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, stop, kwargs.get("seed")):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, stop, kwargs.get("seed")):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, seed: int | None
    ) -> Iterator[ChatGenerationChunk]:
        text = self._text(messages, stop, seed)
        words = _PIECE.findall(text)
        for start in range(0, len(words), PIECES):
            yield ChatGenerationChunk(message=AIMessageChunk(content="".join(words[start : start + PIECES])))
        last = AIMessageChunk(
            content="", response_metadata=self._metadata(), usage_metadata=_usage(messages, text), chunk_position="last"
        )
        yield ChatGenerationChunk(message=last)

    def _text(self, messages: list[BaseMessage], stop: list[str] | None, seed: int | None) -> str:
        prompt = [[message.type, message.text] for message in messages]
        text = self.reply(messages, Dice(digest([self.model_name, self.seed, seed, prompt])))
        for end in stop or ():
            text = text.partition(end)[0]
        return text

    def _metadata(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "finish_reason": "stop"}


def _usage(messages: Sequence[BaseMessage], text: str) -> UsageMetadata:
    read, written = sum(word_count(message.text) for message in messages), word_count(text)
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
