"""A vLLM server's reply comes with the tokens it was sampled as, and from the model that was asked for.

Invariants: each call asks for `return_token_ids` and log-probs (unless switched off) and each reply has them in
`message.response_metadata["flowwright"]` (`prompt_token_ids`, `token_ids`, `logprobs`, `tokens_incomplete`, `sent`), in
invoke, ainvoke, stream and astream alike, and nowhere else in the message; `Reply.of(message)` reads them. A reply from
another model than the one named (a stale server, an adapter that was not loaded) raises ProviderError `wrong_model`.
The server decides which distribution the log-probs belong to: start it with `--logprobs-mode processed_logprobs`. It is
asked once which one it is (`server_probe.py`). A call with `prefix=` continues those tokens (`bridging.py`); where that
cannot be, its messages are rendered anew, as the reply's `prompt_token_ids` show.
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field, SecretStr

from .asking import post
from .bridged_chat import BridgedOpenAI
from .faults import ProviderError
from .recorded import ANSWERED_BY
from .server_probe import LogprobsMode, version_of
from .tokens import Tokens

CHAT_ROUTE = "/chat/completions"
DEFAULT_URL = "http://127.0.0.1:8000/v1"
URL_VARIABLE = "VLLM_BASE_URL"
KEY_VARIABLE = "VLLM_API_KEY"


def _key() -> SecretStr:
    """vLLM wants no key unless started with one. OPENAI_API_KEY is never sent to it."""
    return SecretStr(os.environ.get(KEY_VARIABLE) or "EMPTY")


class ChatVLLM(BridgedOpenAI):
    """Chat model of a vLLM server. `model` is a served model or a loaded LoRA adapter, by name. `schema=` in a call or
    a `bind` constrains the reply to a JSON schema by vLLM's `structured_outputs`; `prefix=` (`policies.prefix.Prefix`)
    says in tokens what the prompt begins with."""

    openai_api_base: str | None = Field(
        default_factory=lambda: os.environ.get(URL_VARIABLE) or DEFAULT_URL, alias="base_url"
    )
    openai_api_key: Any = Field(default_factory=_key, alias="api_key")
    return_token_ids: bool = True
    """Ask for token ids and log-probs. False: the reply has neither."""
    logprobs_mode: LogprobsMode | None = None
    """Which distribution the server's log-probs belong to, where the caller knows; None: the server is asked."""
    probe: bool = True
    """Whether the server may be asked: one request, once in the lifetime of all models of this server here."""

    @property
    def _llm_type(self) -> str:
        return "flowwright-vllm"

    def _get_request_payload(
        self,
        input_: LanguageModelInput,
        *,
        stop: list[str] | None = None,
        schema: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        extra = {**(self.extra_body or {}), **(kwargs.pop("extra_body", None) or {})}
        if self.return_token_ids:
            kwargs["logprobs"] = True
            extra["return_token_ids"] = True
        if schema is not None:
            extra["structured_outputs"] = {"json": schema}
        return super()._get_request_payload(input_, stop=stop, extra_body=extra, **kwargs)

    def _known(self, model: str) -> dict[str, Any]:
        mode = self.logprobs_mode
        if mode is None and self.probe and self.return_token_ids:
            mode = self._server.mode(model, lambda body: post(self.root_client, CHAT_ROUTE, body))
        return _said(mode, model)

    async def _aknown(self, model: str) -> dict[str, Any]:
        mode = self.logprobs_mode
        if mode is None and self.probe and self.return_token_ids:
            mode = await self._server.amode(model, lambda body: post(self.root_async_client, CHAT_ROUTE, body))
        return _said(mode, model)

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        answer = response if isinstance(response, dict) else response.model_dump(warnings=False)
        self._server.note(answer)
        if not self.return_token_ids:
            return result
        for generation, choice in zip(result.generations, answer["choices"], strict=True):
            generation.message.additional_kwargs.setdefault("refusal", None)  # LangChain has it of the SDK's objects
            info = generation.generation_info = generation.generation_info or {}
            _tokens(choice, answer.get("prompt_token_ids")).put(info)
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        body = chunk.get("chunk") or chunk  # the SDK's stream helper wraps each chunk
        if generation is None or not body.get("choices"):
            return generation
        self._server.note(body)
        choice = body["choices"][0]
        info = generation.generation_info = generation.generation_info or {}
        info[ANSWERED_BY] = body.get("model")
        if self.return_token_ids:
            _tokens(choice, body.get("prompt_token_ids")).put(info)
        return generation

    def _record(self, tokens: Tokens, output_tokens: int | None) -> dict[str, Any]:
        if not self.return_token_ids:
            return {}
        record: dict[str, Any] = {
            "prompt_token_ids": tokens.prompt_token_ids,
            "token_ids": tokens.token_ids or None,
            "logprobs": tokens.logprobs or None,
        }
        return record if tokens.agree(output_tokens) else {**record, "tokens_incomplete": True}

    def _check_model(self, answered: str | None, sent: dict[str, Any]) -> None:
        if answered != sent["model"]:
            raise ProviderError(
                f"wrong model: asked for {sent['model']!r}, {answered or 'an unnamed model'!r} answered",
                code="wrong_model",
            )


def _tokens(choice: dict[str, Any], read: list[int] | None) -> Tokens:
    """Those of one choice of a chat completion, or of a piece of it, after the prompt that was `read`."""
    entries = (choice.get("logprobs") or {}).get("content") or []
    return Tokens(read, choice.get("token_ids") or [], [entry["logprob"] for entry in entries])


def _said(mode: LogprobsMode | None, model: str) -> dict[str, Any]:
    """The part of a record that is about the server."""
    told = {"logprobs_mode": mode, "version": version_of(model)}
    return {name: value for name, value in told.items() if value is not None}
