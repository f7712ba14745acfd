"""The log-probability reported is the one of the distribution drawn from, to the bit of float32.

A token is drawn by inverting the cumulative distribution, in the order of the vocabulary, at one uniform number. A
batch of other rows changes logits by rounding only, about 1e-6, which moves the borders between tokens by less: the
number falls on the same token unless it lies that close to a border. Sorted by probability, tokens of nearly equal
probability would change places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def draw(
    logits_B_V: torch.Tensor, temperature_B: torch.Tensor, top_p_B: torch.Tensor, uniform_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token and natural-log probability a row. `uniform_B` in float64 and [0, 1); temperature 0 takes the likeliest
    token, with its probability at temperature 1, and ignores `top_p_B`."""
    greedy_B = temperature_B == 0
    scaled_B_V = logits_B_V.float() / temperature_B.masked_fill(greedy_B, 1.0)[:, None]
    logprobs_B_V = nucleus(scaled_B_V.log_softmax(-1), top_p_B.masked_fill(greedy_B, 1.0))
    token_B = inverted(logprobs_B_V, uniform_B).where(~greedy_B, logprobs_B_V.argmax(-1))
    return token_B, logprobs_B_V.gather(-1, token_B[:, None])[:, 0]


def nucleus(logprobs_B_V: torch.Tensor, top_p_B: torch.Tensor) -> torch.Tensor:
    """The likeliest tokens that together reach `top_p_B`, at least one, renormalized. Rows with 1 stay as they are."""
    import torch

    cut = (top_p_B < 1).nonzero()[:, 0]
    if not len(cut):
        return logprobs_B_V
    part = logprobs_B_V[cut]
    ordered, order = part.sort(descending=True, stable=True)
    mass = ordered.double().exp()
    before = mass.cumsum(-1) - mass
    before[:, 0] = -1.0
    outside = torch.empty_like(part, dtype=torch.bool).scatter_(-1, order, before >= top_p_B[cut, None])
    logprobs_B_V = logprobs_B_V.clone()
    logprobs_B_V[cut] = part.masked_fill(outside, -torch.inf).log_softmax(-1)
    return logprobs_B_V


def inverted(logprobs_B_V: torch.Tensor, uniform_B: torch.Tensor) -> torch.Tensor:
    """The first token a row whose cumulative probability exceeds its number; never one of probability 0."""
    import torch

    cumulated_B_V = logprobs_B_V.double().exp().cumsum(-1)
    total_B = cumulated_B_V[:, -1]
    below_B = torch.minimum(uniform_B * total_B, total_B.nextafter(torch.zeros_like(total_B)))
    return torch.searchsorted(cumulated_B_V, below_B[:, None], right=True)[:, 0].clamp(max=logprobs_B_V.shape[-1] - 1)
