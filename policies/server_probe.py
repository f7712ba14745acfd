"""Which distribution a server's log-probs belong to is found out from the server, by one request that tells it apart.

A bias of 100 on one token makes that token certain in the distribution that is sampled from, all others impossible, and
changes nothing in the one before it. So its log-prob is 0 and the next token's very low where the server reports the
former (`processed`), and it is that of an unlikely token where it reports the latter (`raw`). Anything else, and a
server that refuses, is unknown (None).
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import openai

from .asking import alasting, lasting
from .bridging import Bridges
from .once import Once

LogprobsMode = Literal["processed", "raw"]
Json = dict[str, Any]

BIASED_TOKEN = 0
_CERTAIN, _UNLIKELY, _IMPOSSIBLE = -0.01, -0.5, -30.0
"""Natural logarithms. No model is by itself so certain of a token that the next one is impossible in this sense."""
_VERSIONED = re.compile(r"(?P<name>.+)-\d{6}")


class Server:
    """What is known of the server at one address, shared by all chat models that use it at the same time."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.bridges = Bridges()
        self._modes: Once[LogprobsMode | None] = Once()
        self._splitting: set[str] = set()

    @staticmethod
    def at(address: str) -> Server:
        """The one for `address`. It lives as long as a chat model holds it."""
        return _servers.setdefault(address, Server())

    def note(self, answer: Any) -> None:
        """Learns from a chat completion, or a piece of one, whether this server takes thoughts out of its replies."""
        for choice in answer["choices"]:
            said = choice.get("message") or choice.get("delta") or {}
            if said.get("reasoning") or said.get("reasoning_content"):
                self._splitting.add(_line(answer.get("model") or ""))

    def splits(self, model: str) -> bool:
        """Whether it was seen to. A plain completion would show the thoughts, and so differ from a chat completion."""
        return _line(model) in self._splitting

    def mode(self, model: str, ask: Callable[[Json], Any]) -> LogprobsMode | None:
        """Which distribution the log-probs of `model` belong to. `ask` puts a chat request; it is put once for all
        versions of an adapter, whatever the answer, and again after a failure that may pass. Never raises for one."""

        try:
            return self._modes.get(_line(model), lambda: lasting(lambda: self._told(ask(request(model)))))
        except openai.APIError:
            return None

    async def amode(self, model: str, ask: Callable[[Json], Awaitable[Any]]) -> LogprobsMode | None:
        """As `mode`."""

        async def find() -> LogprobsMode | None:
            return self._told(await ask(request(model)))

        try:
            return await self._modes.aget(_line(model), lambda: alasting(find()))
        except openai.APIError:
            return None

    def _told(self, answer: Any) -> LogprobsMode | None:
        mode = mode_told(answer)
        if mode is not None:
            self.note(answer)
        return mode


_servers: weakref.WeakValueDictionary[str, Server] = weakref.WeakValueDictionary()


def version_of(model: str) -> str | None:
    """The name itself, when it is that of an adapter with a version (`designer-000123`)."""
    return model if _VERSIONED.fullmatch(model) else None


def request(model: str) -> Json:
    """The chat request that tells."""
    return {
        "model": model, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1, "temperature": 1.0,
        "logit_bias": {str(BIASED_TOKEN): 100}, "logprobs": True, "top_logprobs": 2, "return_token_ids": True,
    }  # fmt: skip


def mode_told(answer: Any) -> LogprobsMode | None:
    """What the answer tells; None: nothing."""
    try:
        choice = answer["choices"][0]
        entry = choice["logprobs"]["content"][0]
        sampled, logprob = choice["token_ids"], float(entry["logprob"])
        others = [float(other["logprob"]) for other in entry["top_logprobs"]]
    except (LookupError, TypeError, ValueError):
        return None
    if sampled != [BIASED_TOKEN] or not others or logprob > -_CERTAIN:
        return None
    if logprob > _CERTAIN:
        return "processed" if min(others) < _IMPOSSIBLE else None
    return "raw" if logprob < _UNLIKELY else None


def _line(model: str) -> str:
    """One name for all versions of an adapter."""
    versioned = _VERSIONED.fullmatch(model)
    return versioned["name"] if versioned else model
