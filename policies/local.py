"""A model in this process: what is reported as sampled is what was sampled, with the log-probabilities of the very
distribution it was drawn from (after temperature and nucleus), token by token.

Weights are loaded at the first call, once for all copies of the chat model, and one generation runs at a time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from ..errors import UsageError
from .reply import RECORD

if TYPE_CHECKING:
    import torch

INSTALL: Final = 'pip install "flowwright[local]"'
ROLES: Final = {"human": "user", "ai": "assistant", "system": "system"}


@dataclass(frozen=True)
class Sampled:
    """One generation."""

    prompt_ids: list[int]
    token_ids: list[int]
    """What was sampled, the end token included."""
    logprobs: list[float]
    text: str
    finish_reason: str
    """`stop` or `length`."""


class Weights:
    """A causal language model and its tokenizer, from a folder or a hub id."""

    def __init__(self, source: str) -> None:
        """Loads nothing yet."""
        self.source = source
        self.lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def loaded(self) -> tuple[Any, Any]:
        """Model and tokenizer. Raises UsageError when they cannot be had."""
        if self._loaded is None:
            try:
                from transformers import AutoModelForCausalLM, AutoTokenizer
            except ImportError as error:
                raise UsageError(f"local:{self.source} needs {error.name}", fix=INSTALL) from error
            try:
                tokenizer = AutoTokenizer.from_pretrained(self.source)
                model: Any = AutoModelForCausalLM.from_pretrained(self.source)
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise UsageError(f"local:{self.source} cannot be loaded: {reason}") from error
            if tokenizer.chat_template is None:
                raise UsageError(f"local:{self.source} has no chat template", fix="Use a chat model's tokenizer")
            self._loaded = model.eval(), tokenizer
        return self._loaded

    def generate(self, messages: list[dict[str, str]], decoding: dict[str, Any], seed: int | None) -> Sampled:
        """Sample one reply. The process's random state is left as it was."""
        with self.lock:
            import torch

            model, tokenizer = self.loaded()
            prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
            ids = torch.tensor([prompt], device=model.device)
            with torch.random.fork_rng(), torch.inference_mode():
                if seed is not None:
                    torch.manual_seed(seed)
                mask, told = torch.ones_like(ids), {"output_scores": True, "return_dict_in_generate": True}
                made = model.generate(ids, attention_mask=mask, **told, **decoding)
        sampled = made.sequences[0, len(prompt) :]
        logprobs = chosen_logprobs(made.scores, sampled)
        ends = model.generation_config.eos_token_id
        stopped = int(sampled[-1]) in (ends if isinstance(ends, list) else [ends])
        text = tokenizer.decode(sampled, skip_special_tokens=True)
        return Sampled(list(prompt), sampled.tolist(), logprobs, text, "stop" if stopped else "length")


def chosen_logprobs(scores_T_BV: tuple[torch.Tensor, ...], sampled_T: torch.Tensor) -> list[float]:
    """Natural-log probability of each sampled token under the scores it was drawn from (batch of one)."""
    return [
        float(scores_BV[0].float().log_softmax(-1)[token])
        for scores_BV, token in zip(scores_T_BV, sampled_T.tolist(), strict=True)
    ]


class ChatLocal(BaseChatModel):
    """A LangChain chat model over transformers, in this process. Token ids and log-probabilities of each reply are in
    `response_metadata["flowwright"]`, where `Reply.of` finds them."""

    model: str
    """Folder or hub id, as `from_pretrained` takes it."""
    temperature: float = 1.0
    """0 is greedy."""
    max_tokens: int = Field(default=512, ge=1)
    top_p: float | None = None
    seed: int | None = None
    """None: the process's random state decides."""
    _weights: Weights | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any) -> None:
        """Weights are shared by all copies made with `model_copy`."""
        super().model_post_init(context)
        self._weights = Weights(self.model)

    @property
    def _llm_type(self) -> str:
        return "flowwright-local"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        assert self._weights is not None, "model_post_init made them"
        said = [{"role": ROLES.get(message.type, "user"), "content": message.text} for message in messages]
        made = self._weights.generate(said, self._decoding(), self.seed)
        usage = {"input_tokens": len(made.prompt_ids), "output_tokens": len(made.token_ids)}
        sent = {"model": self.model, "seed": self.seed, **self._decoding()}
        record = {"prompt_token_ids": made.prompt_ids, "token_ids": made.token_ids, "logprobs": made.logprobs}
        message = AIMessage(
            made.text,
            usage_metadata={**usage, "total_tokens": sum(usage.values())},
            response_metadata={
                "model_name": self.model, "finish_reason": made.finish_reason, RECORD: {**record, "sent": sent},
            },
        )  # fmt: skip
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _decoding(self) -> dict[str, Any]:
        drawn = {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p or 1.0, "top_k": 0}
        return {"max_new_tokens": self.max_tokens, **(drawn if self.temperature > 0 else {"do_sample": False})}
