"""A chat model that can be told in tokens what its prompt begins with: `prefix=` in a call or a `bind`.

Invariant: the reply to a bridged call is the chat completion of a prompt that begins with the prefix's ids, with the
same fields, faults and record, in invoke, ainvoke, stream and astream alike. Where there is no bridge (`bridging.py`)
the call is an ordinary one, and the `prompt_token_ids` of its reply show that it continues nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, ClassVar, Self

from langchain_core.language_models import LanguageModelInput
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr, model_validator

from .asking import post
from .bridging import BridgedPrompt
from .completions import AsyncCompletions, Completions, as_completion
from .prefix import Prefix
from .recorded import RecordedOpenAI
from .sent import sent_of
from .server_probe import Server


class BridgedOpenAI(RecordedOpenAI):
    """`RecordedOpenAI` for servers that render and tokenize apart from sampling, as vLLM does."""

    bridges: ClassVar[bool] = True
    _server: Server = PrivateAttr(default_factory=Server)

    @model_validator(mode="after")
    def _meet_the_server(self) -> Self:
        self._server = Server.at(str(self.root_async_client.base_url))
        self.async_client = AsyncCompletions(self.root_async_client)
        if self.root_client is not None:
            self.client = Completions(self.root_client)
        return self

    def _get_request_payload(
        self,
        input_: LanguageModelInput,
        *,
        stop: list[str] | None = None,
        prompt: BridgedPrompt | None = None,
        sent_into: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """As of RecordedOpenAI; for `prompt` (None: it is rendered from the messages) the arguments of a completion."""
        if prompt is None:
            return super()._get_request_payload(input_, stop=stop, sent_into=sent_into, **kwargs)
        payload = as_completion(super()._get_request_payload(input_, stop=stop, **kwargs), prompt)
        if sent_into is not None:
            sent_into.update(sent_of(payload))
        return payload

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, *, prefix: Prefix | None = None, **kwargs: Any
    ) -> ChatResult:
        prompt = self._bridged(messages, stop, prefix, kwargs)
        return super()._generate(messages, stop, run_manager, prompt=prompt, **kwargs)

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, *, prefix: Prefix | None = None, **kwargs: Any
    ) -> ChatResult:
        prompt = await self._abridged(messages, stop, prefix, kwargs)
        return await super()._agenerate(messages, stop, run_manager, prompt=prompt, **kwargs)

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, *, prefix: Prefix | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        prompt = self._bridged(messages, stop, prefix, kwargs)
        yield from super()._stream(messages, stop, run_manager, prompt=prompt, **kwargs)

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, *, prefix: Prefix | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        prompt = await self._abridged(messages, stop, prefix, kwargs)
        async with aclosing(super()._astream(messages, stop, run_manager, prompt=prompt, **kwargs)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    def _bridged(self, messages: Any, stop: Any, prefix: Prefix | None, kwargs: dict[str, Any]) -> BridgedPrompt | None:
        """The prompt in tokens; None: it is rendered from the messages."""
        if prefix is None:
            return None
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        self._known(payload["model"])
        if self._server.splits(payload["model"]):
            return None
        return self._server.bridges.prompt(payload, prefix, lambda body: post(self.root_client, self._tokenize, body))

    async def _abridged(
        self, messages: Any, stop: Any, prefix: Prefix | None, kwargs: dict[str, Any]
    ) -> BridgedPrompt | None:
        """As `_bridged`."""
        if prefix is None:
            return None
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        await self._aknown(payload["model"])
        if self._server.splits(payload["model"]):
            return None
        client = self.root_async_client
        return await self._server.bridges.aprompt(payload, prefix, lambda body: post(client, self._tokenize, body))

    @property
    def _tokenize(self) -> str:
        """vLLM serves this beside its OpenAI routes, not below them."""
        return f"{str(self.root_async_client.base_url).rstrip('/').removesuffix('/v1')}/tokenize"
