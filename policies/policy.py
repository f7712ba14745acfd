"""A policy is a chat model that plays roles: it has a public name, a price, and one way to be called.

Invariant: what a caller asks for (sampling, seed, schema, key) reaches the model if and only if its class understands
it; nothing is sent on the chance that it might be. The model object is shared by all calls and never changed by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from ..sampling import Sampling
from .prefix import Prefix
from .price import Price
from .sent import headers_for

Constrain = Literal["vllm", "openai"]

_LIMIT_FIELDS = ("max_tokens", "max_output_tokens", "num_predict")
"""What model classes call the limit on completion tokens."""


@dataclass(frozen=True)
class Policy:
    """A resolved policy."""

    name: str
    """Which model, where, e.g. `vllm:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1`. Never a secret."""
    chat: BaseChatModel = field(repr=False)
    offline: bool = False
    """True: rules on this machine, no model; its answers are worth what rules are worth."""
    constrain: Constrain | None = None
    """How a JSON schema can be imposed on the reply; None: it cannot, the prompt has to ask for it."""
    price: Price | None = None
    """USD per million tokens in and out; None: unknown."""

    @property
    def bridges(self) -> bool:
        """Whether the model takes a conversation's earlier tokens as they were (`prefix.py`)."""
        return bool(getattr(self.chat, "bridges", False))

    def at(
        self,
        sampling: Sampling,
        *,
        seed: int,
        key: str,
        schema: dict[str, Any] | None = None,
        prefix: Prefix | None = None,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model for one operation. `key` identifies the operation to the server in each attempt at it (headers
        `X-Request-Id`, `Idempotency-Key`); `schema` (None: free text) constrains decoding where `constrain` says so;
        `prefix` (None: nothing came before) goes to models that bridge."""
        if self.offline:
            return self.chat.bind(seed=seed)
        asked = self._decoding(sampling, seed)
        bridged = {"prefix": prefix} if prefix is not None and self.bridges else {}
        if _speaks_openai(self.chat):
            return self.chat.bind(**asked, extra_headers=headers_for(key), **self._constraint(schema), **bridged)
        chat = self.chat.model_copy(update=asked) if asked else self.chat
        return chat.bind(**bridged) if bridged else chat

    def _decoding(self, sampling: Sampling, seed: int) -> dict[str, Any]:
        known = type(self.chat).model_fields
        limit = next((name for name in _LIMIT_FIELDS if name in known), "")
        wanted = {
            "temperature": sampling.temperature if _takes_temperature(self.chat) else None,
            limit: sampling.max_tokens,
            "top_p": sampling.top_p,
            "seed": seed,
        }
        return {name: value for name, value in wanted.items() if name in known and value is not None}

    def _constraint(self, schema: dict[str, Any] | None) -> dict[str, Any]:
        if schema is None or self.constrain is None:
            return {}
        if self.constrain == "vllm":
            return {"schema": schema}
        form = {"type": "json_schema", "json_schema": {"name": "action", "schema": schema, "strict": False}}
        return {"extra_body": {**(getattr(self.chat, "extra_body", None) or {}), "response_format": form}}


def _speaks_openai(chat: BaseChatModel) -> bool:
    """By class name, so that nothing is imported to find out."""
    return any(kind.__name__ == "BaseChatOpenAI" for kind in type(chat).__mro__)


def _takes_temperature(chat: BaseChatModel) -> bool:
    """Reasoning models refuse a temperature; LangChain's profile of the model says so where it has one."""
    return (getattr(chat, "profile", None) or {}).get("temperature") is not False
