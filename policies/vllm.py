"""A vLLM server's reply comes with the tokens it was sampled as, and from the model that was asked for.

Invariants: each call asks for `return_token_ids` and log-probs (unless switched off) and each reply has them in
`message.response_metadata["flowwright"]` (`prompt_token_ids`, `token_ids`, `logprobs`, `tokens_incomplete`, `sent`), in
invoke, ainvoke, stream and astream alike, and nowhere else in the message; `Reply.of(message)` reads them. A reply from
another model than the one named (a stale server, an adapter that was not loaded) raises ProviderError `wrong_model`.
The server decides which distribution the log-probs belong to: start it with `--logprobs-mode processed_logprobs`.
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field, SecretStr

from .faults import ProviderError
from .recorded import ANSWERED_BY, RecordedOpenAI
from .tokens import Tokens

DEFAULT_URL = "http://127.0.0.1:8000/v1"
URL_VARIABLE = "VLLM_BASE_URL"
KEY_VARIABLE = "VLLM_API_KEY"


def _key() -> SecretStr:
    """vLLM wants no key unless started with one. OPENAI_API_KEY is never sent to it."""
    return SecretStr(os.environ.get(KEY_VARIABLE) or "EMPTY")


class ChatVLLM(RecordedOpenAI):
    """Chat model of a vLLM server. `model` is a served model or a loaded LoRA adapter, by name. `schema=` in a call or
    a `bind` constrains the reply to a JSON schema by vLLM's `structured_outputs`."""

    openai_api_base: str | None = Field(
        default_factory=lambda: os.environ.get(URL_VARIABLE) or DEFAULT_URL, alias="base_url"
    )
    openai_api_key: Any = Field(default_factory=_key, alias="api_key")
    return_token_ids: bool = True
    """Ask for token ids and log-probs. False: the reply has neither."""

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

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        if not self.return_token_ids:
            return result
        for generation, choice in zip(result.generations, response.choices, strict=True):
            info = generation.generation_info = generation.generation_info or {}
            content = choice.logprobs.content if choice.logprobs else None
            Tokens(
                prompt_token_ids=getattr(response, "prompt_token_ids", None),
                token_ids=getattr(choice, "token_ids", None) or [],
                logprobs=[entry.logprob for entry in content or []],
            ).put(info)
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        body = chunk.get("chunk") or chunk  # the SDK's stream helper wraps each chunk
        if generation is None or not body.get("choices"):
            return generation
        choice = body["choices"][0]
        info = generation.generation_info = generation.generation_info or {}
        info[ANSWERED_BY] = body.get("model")
        if self.return_token_ids:
            Tokens(
                prompt_token_ids=body.get("prompt_token_ids"),
                token_ids=choice.get("token_ids") or [],
                logprobs=[entry["logprob"] for entry in (choice.get("logprobs") or {}).get("content") or []],
            ).put(info)
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
