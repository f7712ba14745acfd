"""What a server samples with is what the trainer believes: compared in log-probs, along the path that real calls take.

Prompt log-probs would not do: vLLM computes them without its prefix cache, and a stale cache is one of the two ways in
which it answers from old weights. So tokens are sampled, greedily, and their log-probs compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf, isfinite

from ..errors import UsageError
from .faults import ProviderError
from .server_routes import ServerRoutes


class StaleWeights(ProviderError):
    """The server's log-probs are not those of the weights that it ought to have."""

    def __init__(self, model: str, difference: float, position: int, tolerance: float) -> None:
        """`difference`: the largest one, in nats, at the sampled token `position` from 0."""
        super().__init__(
            f"stale weights: the log-probs of {model!r} differ by {difference:.3g} at token {position} "
            f"(tolerance {tolerance:.3g}); other weights answer, or a cache of other weights",
            code="wrong_model",
        )
        self.difference = difference
        self.position = position


async def check_parity(
    routes: ServerRoutes,
    model: str,
    prompt_ids: Sequence[int],
    expected: Callable[[list[int], list[int]], Sequence[float]],
    *,
    tolerance: float,
    tokens: int = 16,
) -> float:
    """The largest difference in nats between the server's log-probs of `tokens` greedily sampled tokens and what
    `expected(prompt_ids, sampled_ids)` gives for them (temperature 1, computed off the event loop). Raises StaleWeights
    when it passes `tolerance`: 1e-4 suits float32, 0.05 bfloat16.

    To notice a stale prefix cache, use one prompt of several blocks (GPU: 16 tokens each, CPU: 128) for all versions:
    only what was cached before can be stale."""
    if not prompt_ids or tokens < 1:
        raise UsageError("Parity needs a prompt and a token to sample")
    prompt = list(prompt_ids)
    body = {
        "model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "logprobs": 0,
        "return_token_ids": True, "ignore_eos": True,
    }  # fmt: skip
    answer = await routes.json("POST", "/v1/completions", body)
    choice = answer["choices"][0]
    sampled, found = choice.get("token_ids"), (choice.get("logprobs") or {}).get("token_logprobs")
    if not sampled or not found or len(sampled) != len(found) or answer.get("model") != model:
        raise ProviderError(f"bad response: {model!r} gave no token ids and log-probs", code="bad_response")
    wanted = await asyncio.to_thread(expected, prompt, list(sampled))
    if len(wanted) != len(found):
        raise UsageError(f"{len(wanted)} expected log-probs were given for {len(found)} sampled tokens")
    apart = [ours - theirs for ours, theirs in zip(wanted, found, strict=True)]
    gaps = [abs(gap) if isfinite(gap) else inf for gap in apart]
    worst = max(range(len(gaps)), key=gaps.__getitem__)
    if gaps[worst] > tolerance:
        raise StaleWeights(model, gaps[worst], worst, tolerance)
    return gaps[worst]
