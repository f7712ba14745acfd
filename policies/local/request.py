"""What a caller asks of the engine and what it gets back: plain data, no tensors."""

from __future__ import annotations

from dataclasses import dataclass

from ..prefix import Prefix

Said = list[dict[str, str]]
"""Messages as a chat template takes them: `role` and `content`."""


@dataclass(frozen=True)
class Request:
    """One reply that is wanted."""

    messages: Said
    temperature: float
    """Softmax temperature; 0 is greedy."""
    top_p: float
    """Nucleus mass; 1 keeps the whole distribution."""
    max_tokens: int
    """Completion tokens at most; fewer where the model's context ends first."""
    seed: int | None = None
    """None: one is drawn from the process's random state."""
    prefix: Prefix | None = None
    """None: the whole prompt is rendered."""
    stop: tuple[str, ...] = ()
    """Texts that end the reply; they are sampled, and cut from its text."""


@dataclass(frozen=True)
class Sampled:
    """One reply."""

    prompt_ids: list[int]
    token_ids: list[int]
    """What was sampled, the end token included."""
    logprobs: list[float]
    """Natural logarithms, one a token, of the distribution it was drawn from (after temperature and nucleus); of a
    greedy reply those of the model's own distribution."""
    text: str
    finish_reason: str
    """`stop` or `length`."""
    seed: int
    """Asked for, or drawn."""
    version: str
    """Fingerprint of the weights."""
