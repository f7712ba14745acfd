"""The chat model of a model in this process: each reply comes with its tokens, the log-probabilities of the very
distribution they were drawn from and the fingerprint of the weights, in `response_metadata["flowwright"]`, where
`Reply.of` finds them.

Weights are loaded at the first call, once for all copies of the chat model; concurrent calls decode as one batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from ..prefix import Prefix
from ..reply import RECORD
from .engine import Engine
from .request import Request, Sampled
from .server import Limits
from .weights import Loaded, load

ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class ChatLocal(BaseChatModel):
    """A LangChain chat model over transformers, in this process. A call may bind `prefix`, the tokens that its
    conversation begins with (see `policies.prefix`)."""

    bridges: ClassVar[bool] = True
    model: str
    """Folder (of a model, or of a LoRA adapter) or hub id, as `from_pretrained` takes it."""
    temperature: float = Field(default=1.0, ge=0)
    """0 is greedy; its log-probabilities are those at temperature 1."""
    max_tokens: int = Field(default=512, ge=1)
    """Fewer where the model's context ends first."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """None: the whole distribution."""
    seed: int | None = None
    """None: the process's random state decides. Equal seed and prompt give equal tokens."""
    max_rows: int = Field(default=Limits.rows, ge=1)
    """Replies that decode at once; more wait. Like `max_cells` it is fixed when the object is made."""
    max_cells: int = Field(default=Limits.cells, ge=1)
    """Tokens kept in memory for them at once, padding included."""
    _engine: Engine | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, model: Any, tokenizer: Any, *, version: str, name: str | None = None, **fields: Any) -> ChatLocal:
        """Over a model object of this process, which is put into evaluation mode when rows join. `version` is reported
        with each reply: after the weights changed, make a new chat model. `name` stands in for `model` (None: what the
        model's configuration says); `fields` are the other fields of the class."""
        name = name or model.config.name_or_path or type(model).__name__
        made = cls(model=name, **fields)
        made._open(lambda: Loaded(model, tokenizer, version, f"local:{name}"))
        return made

    def model_post_init(self, context: Any) -> None:
        """The engine is shared by all copies made with `model_copy`."""
        super().model_post_init(context)
        self._open(partial(load, self.model))

    def _open(self, source: Callable[[], Loaded]) -> None:
        self._engine = Engine(f"local:{self.model}", source, Limits(self.max_rows, self.max_cells))

    @property
    def _llm_type(self) -> str:
        return "flowwright-local"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        prefix: Prefix | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        assert self._engine is not None, "model_post_init made it"
        reply = self._engine.submit(self._request(messages, stop, prefix))
        try:
            return self._result(reply.result())
        except BaseException:
            reply.cancel()
            raise

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        prefix: Prefix | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        assert self._engine is not None, "model_post_init made it"
        return self._result(await asyncio.wrap_future(self._engine.submit(self._request(messages, stop, prefix))))

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, prefix: Prefix | None) -> Request:
        said = [{"role": ROLES.get(message.type, "user"), "content": str(message.text)} for message in messages]
        decoding = (self.temperature, self.top_p or 1.0, self.max_tokens, self.seed)
        return Request(said, *decoding, prefix=prefix, stop=tuple(stop or ()))

    def _result(self, made: Sampled) -> ChatResult:
        usage = {"input_tokens": len(made.prompt_ids), "output_tokens": len(made.token_ids)}
        asked = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        record = {
            "prompt_token_ids": made.prompt_ids, "token_ids": made.token_ids, "logprobs": made.logprobs,
            "logprobs_mode": "processed", "version": made.version,
            "sent": {"model": self.model, "seed": made.seed, **asked},
        }  # fmt: skip
        message = AIMessage(
            made.text,
            usage_metadata={**usage, "total_tokens": sum(usage.values())},
            response_metadata={"model_name": self.model, "finish_reason": made.finish_reason, RECORD: record},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])
