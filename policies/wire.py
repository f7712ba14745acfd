"""The requests of one `BaseChatOpenAI`, seen where they leave: the body as it went out, the reply before anything reads
it, and the tokens, asked for in the body alone, so that no message and no setting of the model knows of them.

Invariants: nothing of the user's own client is changed, the copy shares its connections; a server that refuses the
question for tokens is asked as the user asked, and not again; the SDK's own retries stay as they are.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import openai
from langchain_openai.chat_models.base import BaseChatOpenAI

from ..errors import UsageError
from .captured import CURRENT, Captured, definitions_of, sampling_of
from .sent import IDEMPOTENCY_HEADERS, sent_of
from .wire_reply import Pieces, read_reply

if TYPE_CHECKING:
    from httpx2 import Request

_PATH = "/chat/completions"
_OFFICIAL = "api.openai.com"
_REFUSED = (400, 422)
"""Statuses by which servers turn down a field that they do not know."""


def tapped(model: BaseChatOpenAI) -> dict[str, Any]:
    """The fields of `model` that a copy of it needs, so that its calls are taken down in `CURRENT`."""
    changed: dict[str, Any] = {}
    if isinstance(model.root_client, openai.OpenAI):
        root = _copied(model.root_client, lambda client: _Tap(client).post)
        changed |= {"root_client": root, "client": root.chat.completions}
    if isinstance(model.root_async_client, openai.AsyncOpenAI):
        aroot = _copied(model.root_async_client, lambda client: _Tap(client).apost)
        changed |= {"root_async_client": aroot, "async_client": aroot.chat.completions}
    return changed


def _copied(client: Any, tap: Callable[[Any], Any]) -> Any:
    """A client over the same connections whose `post` is the tap's. What the client had made of itself (its resources,
    made when first used) belongs to the original and is left out."""
    made = copy.copy(client)
    for name, value in [*vars(made).items()]:
        if getattr(value, "_client", None) is client:
            del made.__dict__[name]
    made.__dict__["post"] = tap(client)
    return made


class _Tap:
    """Posts for a client, and takes down."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asks = client.base_url.host != _OFFICIAL
        """Whether tokens are asked for."""
        self.proven = False
        """Whether the server has once taken the question."""

    def post(self, path: str, *, body: Any = None, options: Any = None, **rest: Any) -> Any:
        """As the client's."""
        captured = CURRENT.get()
        if captured is None or not path.endswith(_PATH):
            return self.client.post(path, body=body, options=options or {}, **rest)
        call = _Post(self, captured, body, options or {}, rest)
        try:
            reply = self.client.post(path, **call.arguments())
        except openai.APIError as error:
            if not call.without_tokens(error):
                raise
            reply = self.client.post(path, **call.arguments())
        return call.read(reply)

    async def apost(self, path: str, *, body: Any = None, options: Any = None, **rest: Any) -> Any:
        """As the client's."""
        captured = CURRENT.get()
        if captured is None or not path.endswith(_PATH):
            return await self.client.post(path, body=body, options=options or {}, **rest)
        call = _Post(self, captured, body, options or {}, rest)
        try:
            reply = await self.client.post(path, **call.arguments())
        except openai.APIError as error:
            if not call.without_tokens(error):
                raise
            reply = await self.client.post(path, **call.arguments())
        return call.read(reply)


class _Post:
    """One request and its reply."""

    def __init__(self, tap: _Tap, captured: Captured, body: Any, options: Any, rest: dict[str, Any]) -> None:
        if rest.get("stream") and (body.get("n") or 1) > 1:
            raise UsageError("Streaming n > 1 choices would mix their tokens", fix="Use n=1, or invoke")
        self.tap, self.captured = tap, captured
        captured.on_wire = True
        self.body, self.options, self.rest = body, options, rest
        self.extra: Mapping[str, Any] = options.get("extra_json") or {}
        captured.asked = tap.asks
        captured.strips = tap.asks and not body.get("logprobs") and "logprobs" not in self.extra
        with captured.unharmed():
            _take_down(captured, {**body, **self.extra}, {})

    def arguments(self) -> dict[str, Any]:
        """For the client's `post`."""
        body, options = self.body, self.options
        if self.captured.asked:
            body = {**body, "logprobs": True} if self.captured.strips else body
            options = {**options, "extra_json": {**self.extra, "return_token_ids": True}}
        return {"body": body, "options": options, **self.rest}

    def without_tokens(self, error: openai.APIError) -> bool:
        """Whether to send it once more as the user meant it: the server may have refused our question."""
        with self.captured.unharmed():
            _read_request(self.captured, error.request)
        unsure = self.captured.asked and not self.tap.proven
        if not unsure or not isinstance(error, openai.APIStatusError) or error.status_code not in _REFUSED:
            return False
        self.captured.asked = self.captured.strips = False
        return True

    def read(self, reply: Any) -> Any:
        """The reply, taken down or, of a stream, to be taken down as it comes."""
        self.tap.asks, self.tap.proven = self.captured.asked, True
        with self.captured.unharmed():
            self._read(reply)
        return reply

    def _read(self, reply: Any) -> None:
        if isinstance(reply, openai.Stream | openai.AsyncStream):
            _read_request(self.captured, reply.response.request)
            pieces = Pieces(self.captured)
            self.captured.settle = pieces.settle
            watched: Any = _watched if isinstance(reply, openai.Stream) else _awatched
            reply._iterator = watched(reply._iterator, pieces)
        elif hasattr(reply, "http_response"):
            _read_request(self.captured, reply.http_response.request)
            read_reply(self.captured, reply.http_response.content)


def _read_request(captured: Captured, request: Request) -> None:
    try:
        body = json.loads(request.content)
    except (ValueError, RuntimeError):  # not JSON, or sent in pieces: what was meant to be sent stands already
        return
    _take_down(captured, body, request.headers)


def _take_down(captured: Captured, body: dict[str, Any], headers: Mapping[str, str]) -> None:
    sent = sent_of({**body, "extra_headers": {name: headers[name] for name in IDEMPOTENCY_HEADERS if name in headers}})
    captured.key = sent.get("key", "")
    retries = int(headers.get("x-stainless-retry-count", 0))
    captured.sent = {**sent, "retries": retries} if retries else sent
    captured.definitions = definitions_of(body)
    captured.sampling = sampling_of(body)
    if all(isinstance(message, dict) for message in body.get("messages", [])):
        captured.messages = list(body.get("messages", []))


def _watched(chunks: Iterator[Any], pieces: Pieces) -> Iterator[Any]:
    for chunk in chunks:
        pieces.add(chunk)
        yield chunk


async def _awatched(chunks: AsyncIterator[Any], pieces: Pieces) -> AsyncIterator[Any]:
    async for chunk in chunks:
        pieces.add(chunk)
        yield chunk
