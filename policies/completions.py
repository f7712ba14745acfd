"""A completion of a prompt in tokens looks to its reader as the chat completion it stands for.

Invariant: a request without a `prompt` is the SDK's own, untouched. One with a `prompt` goes to `/completions`, and
what comes back has the fields of a chat completion in their places: the sampling is the same, only the rendering of the
prompt is left out. A server that read other tokens than were sent has not answered (ProviderError `bad_response`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import openai

from .asking import post
from .bridging import BridgedPrompt, plain_body
from .faults import ProviderError
from .sent import TRANSPORT_ONLY

Json = dict[str, Any]

ROUTE = "/completions"
_CHAT_ONLY = (
    "messages", "max_completion_tokens", "max_tokens", "logprobs", "top_logprobs", "chat_template",
    "chat_template_kwargs", "add_generation_prompt", "parallel_tool_calls",
)  # fmt: skip


def as_completion(payload: Mapping[str, Any], prompt: BridgedPrompt) -> Json:
    """The arguments for `prompt` of those of a chat request. Completions stop at 16 tokens when nothing is said, chat
    completions where the context ends: so the limit is always said."""
    chat = plain_body(payload)
    body = {name: value for name, value in chat.items() if name not in _CHAT_ONLY}
    body["prompt"] = prompt.ids
    limit = chat.get("max_completion_tokens") or chat.get("max_tokens") or prompt.room
    if limit:
        body["max_tokens"] = max(1, limit)
    if chat.get("logprobs"):
        body["logprobs"] = chat.get("top_logprobs") or 0
    beside = TRANSPORT_ONLY - {"extra_body"}
    return body | {name: value for name, value in payload.items() if name in beside}


def as_chat(completion: Any, prompt: list[int]) -> Any:
    """The chat completion that a completion of `prompt` stands for."""
    if not isinstance(completion, dict) or not isinstance(completion.get("choices"), list):
        return completion  # no completion: refused where chat completions are read
    choices = [
        {**choice, "message": {"role": "assistant", "content": choice.pop("text", ""), "refusal": None}}
        for choice in completion["choices"]
    ]
    return {"model": None, **completion, "object": "chat.completion", **_moved(choices, prompt)}


def as_chat_chunk(chunk: Any, prompt: list[int]) -> Any:
    """As `as_chat`, of one piece of a stream."""
    if not isinstance(chunk, dict) or not isinstance(chunk.get("choices"), list):
        return chunk
    choices = [
        {**choice, "delta": {"role": "assistant", "content": choice.pop("text", "")}} for choice in chunk["choices"]
    ]
    return {**chunk, "object": "chat.completion.chunk", **_moved(choices, prompt)}


def _moved(choices: list[Json], prompt: list[int]) -> Json:
    """The fields that stand elsewhere in a chat completion: the tokens read once for all choices, log-probs apiece."""
    read: list[int] | None = None
    for choice in choices:
        read = choice.pop("prompt_token_ids", None) or read
        told = choice.get("logprobs")
        if told:
            pairs = zip(told["tokens"], told["token_logprobs"], strict=True)
            choice["logprobs"] = {"content": [{"token": token, "logprob": logprob} for token, logprob in pairs]}
    if read is not None and read != prompt:
        raise ProviderError(
            f"bad response: the server read {len(read)} other tokens than the {len(prompt)} sent", code="bad_response"
        )
    return {"choices": choices, **({} if read is None else {"prompt_token_ids": read})}


class Completions:
    """Stands where langchain-openai calls the SDK's `chat.completions`."""

    def __init__(self, client: openai.OpenAI) -> None:
        """`client` sends."""
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client.chat.completions, name)

    @property
    def with_raw_response(self) -> Any:
        """Whose `create` gives an answer with its HTTP response."""
        return _Raw(self._client)

    def create(self, **payload: Any) -> Any:
        """A stream, when it has a prompt in tokens: a context manager over its chunks."""
        if "prompt" not in payload:
            return self._client.chat.completions.create(**payload)
        return _Chunks(_post(self._client, payload, stream=True, stream_cls=openai.Stream[object]), payload["prompt"])


class AsyncCompletions:
    """As `Completions`, for asynchronous callers."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        """`client` sends."""
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client.chat.completions, name)

    @property
    def with_raw_response(self) -> Any:
        """Whose `create` gives an answer with its HTTP response."""
        return _AsyncRaw(self._client)

    async def create(self, **payload: Any) -> Any:
        """As `Completions.create`."""
        if "prompt" not in payload:
            return await self._client.chat.completions.create(**payload)
        stream = await _post(self._client, payload, stream=True, stream_cls=openai.AsyncStream[object])
        return _AsyncChunks(stream, payload["prompt"])


class _Raw:
    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def create(self, **payload: Any) -> Any:
        if "prompt" not in payload:
            return self._client.chat.completions.with_raw_response.create(**payload)
        return _Answer(_post(self._client, payload, raw=True), payload["prompt"])


class _AsyncRaw:
    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def create(self, **payload: Any) -> Any:
        if "prompt" not in payload:
            return await self._client.chat.completions.with_raw_response.create(**payload)
        return _Answer(await _post(self._client, payload, raw=True), payload["prompt"])


def _post(client: Any, payload: Json, *, raw: bool = False, **how: Any) -> Any:
    """One request to `/completions` (of an asynchronous client: to be awaited)."""
    headers = dict(payload.get("extra_headers") or {}) | ({"X-Stainless-Raw-Response": "true"} if raw else {})
    options = {"headers": headers, "params": payload.get("extra_query") or {}}
    if payload.get("timeout") is not None:
        options["timeout"] = payload["timeout"]
    body = {name: value for name, value in payload.items() if name not in TRANSPORT_ONLY}
    return post(client, ROUTE, body, options=options, **how)


class _Answer:
    """The SDK's raw answer, read as a chat completion."""

    def __init__(self, raw: Any, prompt: list[int]) -> None:
        self._raw = raw
        self._prompt = prompt
        self.http_response = raw.http_response
        self.headers = raw.headers

    def parse(self) -> Any:
        return as_chat(self._raw.parse(), self._prompt)


class _Chunks:
    """The SDK's stream, read as one of chat completions."""

    def __init__(self, stream: openai.Stream[object], prompt: list[int]) -> None:
        self._stream = stream
        self._prompt = prompt

    def __enter__(self) -> _Chunks:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stream.__exit__(*error)

    def __iter__(self) -> Iterator[Any]:
        return (as_chat_chunk(chunk, self._prompt) for chunk in self._stream)


class _AsyncChunks:
    """As `_Chunks`."""

    def __init__(self, stream: openai.AsyncStream[object], prompt: list[int]) -> None:
        self._stream = stream
        self._prompt = prompt

    async def __aenter__(self) -> _AsyncChunks:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stream.__aexit__(*error)

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for chunk in self._stream:
            yield as_chat_chunk(chunk, self._prompt)
