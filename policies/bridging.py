"""The prompt of a conversation that goes on, in tokens: the earlier ones as they were, then those of the new messages.

Invariants: an id of the prefix is never changed, dropped or made again from text; and the ids that follow are those
that the server's own template and tokenizer give to the new messages after a reply. They are had from `/tokenize` by
rendering the new messages behind a stand-in conversation whose last reply is one known token, and cutting after it.
Where a template allows no such cut there is no bridge (None), and the conversation is rendered anew.

Two stand-ins that differ in their reply alone show where the cut is, with the speakers of the new messages behind it:
some templates render a reply that is followed by a question otherwise than the last one (Qwen3: its thoughts).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .asking import alasting, lasting
from .once import Once
from .prefix import Prefix
from .sent import TRANSPORT_ONLY

Json = dict[str, Any]
Ask = Callable[[Json], Json]
"""Puts a request to `/tokenize`. Raises openai.APIError."""

_REPLIES = ("y", "z")
_BEFORE_A_WORD = "▁Ġ "
"""How vocabularies write the blank before a word."""
_RENDERING = ("model", "chat_template", "chat_template_kwargs")
"""Fields of a chat request that decide how messages become tokens, and that `/tokenize` takes as well."""
_RENDERED_ANEW = (
    "tools", "tool_choice", "functions", "function_call", "reasoning_effort", "include_reasoning", "documents", "echo",
    "continue_final_message", "add_special_tokens", "media_io_kwargs", "mm_processor_kwargs", "modalities", "audio",
)  # fmt: skip
"""Fields that change the rendering or the reading of a chat request in ways that plain completions do not have."""


@dataclass(frozen=True)
class BridgedPrompt:
    """A prompt in tokens."""

    ids: list[int]
    room: int | None
    """Tokens that fit behind it; None: the server did not say."""


@dataclass(frozen=True)
class _Head:
    """How a rendered stand-in conversation begins, up to the end of the reply in it."""

    ids: list[int]

    @classmethod
    def between(cls, one: Json, other: Json) -> _Head | None:
        """The common beginning of two renderings, if they differ in one token and that token is the whole reply."""
        try:
            pairs = list(zip(one["tokens"], other["tokens"], strict=True))
            (place,) = [place for place, (token, instead) in enumerate(pairs) if token != instead]
            said = [str(rendered["token_strs"][place]).strip(_BEFORE_A_WORD) for rendered in (one, other)]
        except (LookupError, TypeError, ValueError):
            return None
        return cls([token for token, _ in pairs[: place + 1]]) if said == list(_REPLIES) else None

    def cut_off(self, rendered: list[int]) -> list[int] | None:
        """What comes behind it; None: the rendering begins otherwise."""
        count = len(self.ids)
        return rendered[count:] if rendered[:count] == self.ids and len(rendered) > count else None


class Bridges:
    """Bridged prompts of the models of one server."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._heads: Once[_Head | None] = Once()

    def prompt(self, payload: Mapping[str, Any], prefix: Prefix, ask: Ask) -> BridgedPrompt | None:
        """The prompt that continues `prefix` as the chat request `payload` does, or None. Raises openai.APIError when
        the server cannot be asked now."""
        new = _NewMessages.of(payload, prefix)
        if new is None:
            return None
        head = self._heads.get(new.kind, lambda: lasting(lambda: _Head.between(*map(ask, new.stand_ins()))))
        return lasting(lambda: new.behind(prefix, head, ask(new.request()))) if head else None

    async def aprompt(
        self, payload: Mapping[str, Any], prefix: Prefix, ask: Callable[[Json], Awaitable[Json]]
    ) -> BridgedPrompt | None:
        """As `prompt`."""
        new = _NewMessages.of(payload, prefix)
        if new is None:
            return None

        async def find() -> _Head | None:
            one, other = new.stand_ins()
            return _Head.between(await ask(one), await ask(other))

        async def put(head: _Head) -> BridgedPrompt | None:
            return new.behind(prefix, head, await ask(new.request()))

        head = await self._heads.aget(new.kind, lambda: alasting(find()))
        return await alasting(put(head)) if head else None


@dataclass(frozen=True)
class _NewMessages:
    """What a chat request adds to a prefix."""

    rendering: Json
    messages: list[Json]

    @classmethod
    def of(cls, payload: Mapping[str, Any], prefix: Prefix) -> _NewMessages | None:
        """None: the request cannot be put as plain completions."""
        body = plain_body(payload)
        messages = body["messages"]
        if any(body.get(name) for name in _RENDERED_ANEW) or body.get("add_generation_prompt") is False:
            return None
        if "response_format" in payload:  # a class, which the SDK's own parsing has to see
            return None
        ends_with_reply = 0 < prefix.messages <= len(messages) and messages[prefix.messages - 1]["role"] == "assistant"
        if not ends_with_reply or not prefix.ids or not all(map(_is_text, messages)):
            return None
        rendering = {name: body[name] for name in _RENDERING if name in body}
        return cls(rendering, messages[prefix.messages :])

    @property
    def kind(self) -> tuple[str, ...]:
        """All that decides how a stand-in conversation begins."""
        return (repr(sorted(self.rendering.items())), *(message["role"] for message in self.messages))

    def stand_ins(self) -> tuple[Json, Json]:
        """Requests for the renderings of two conversations that differ in the reply."""
        same = [{**message, "content": "x"} for message in self.messages]
        one, other = (self._request(reply, same) | {"return_token_strs": True} for reply in _REPLIES)
        return one, other

    def request(self) -> Json:
        """The request for the rendering of the new messages."""
        return self._request(_REPLIES[0], self.messages)

    def behind(self, prefix: Prefix, head: _Head, rendered: Json) -> BridgedPrompt | None:
        """The whole prompt. A reply that ended by itself has its end token in the prefix already."""
        try:
            added = head.cut_off(rendered["tokens"])
            longest = rendered.get("max_model_len")
        except (LookupError, TypeError, AttributeError):
            return None
        if added is None:
            return None
        ids = prefix.ids + (added[1:] if added[0] == prefix.ids[-1] else added)
        return BridgedPrompt(ids, longest - len(ids) if longest else None)

    def _request(self, reply: str, messages: list[Json]) -> Json:
        said = [{"role": "user", "content": "x"}, {"role": "assistant", "content": reply}, *messages]
        return {**self.rendering, "messages": said, "add_generation_prompt": True}


def plain_body(payload: Mapping[str, Any]) -> Json:
    """The request body of the SDK's keyword arguments."""
    body = {name: value for name, value in payload.items() if name not in TRANSPORT_ONLY}
    return {**body, **(payload.get("extra_body") or {})}


def _is_text(message: Json) -> bool:
    content = message.get("content")
    return isinstance(content, str) or (
        isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content)
    )
