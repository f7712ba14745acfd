"""Operators say what decoding they want; whoever hands them the model decides how it is carried out."""

from __future__ import annotations

from typing import Protocol

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from ..sampling import Sampling


class Sampler(Protocol):
    """Hands out a model for one call: metered, journaled, seeded, or just as it is."""

    def __call__(self, sampling: Sampling, sample: int) -> Runnable[LanguageModelInput, BaseMessage]:
        """The model for the call with index `sample` (from 0) of an operation, decoding as `sampling` says."""


ModelLike = BaseChatModel | Runnable[LanguageModelInput, BaseMessage] | Sampler


def sampler_of(model: ModelLike) -> Sampler:
    """A chat model gets the decoding fields its class has, and its own seed plus the sample's index where it has a
    seed. Any other runnable (`init_chat_model(...)`, `model.bind(...)`, `model.with_fallbacks(...)`) is used as it
    is: who wrapped the model has decided. A sampler stays what it is."""
    if isinstance(model, BaseChatModel):
        return _ChatModelSampler(model)
    if isinstance(model, Runnable):
        runnable = model
        return lambda sampling, sample: runnable
    return model


class _ChatModelSampler:
    def __init__(self, model: BaseChatModel) -> None:
        self.model = model

    def __call__(self, sampling: Sampling, sample: int) -> Runnable[LanguageModelInput, BaseMessage]:
        fields = type(self.model).model_fields
        wanted = {name: value for name, value in sampling.as_json().items() if value is not None and name in fields}
        seed = getattr(self.model, "seed", None)
        if isinstance(seed, int):
            wanted["seed"] = seed + sample
        return self.model.bind(**wanted) if wanted else self.model
