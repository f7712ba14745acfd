"""Token ids and log-probs of one sampled reply, kept apart from the message until the reply is whole.

Invariant: ids and log-probs are those the server sent, in its order; nothing is re-tokenized, guessed or padded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_PLACE = "flowwright_tokens"


@dataclass(slots=True)
class Tokens:
    """The tokens of one choice, or of a piece of it."""

    prompt_token_ids: list[int] | None = None
    """None: not seen (in a stream only the first piece has it)."""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    """Natural logarithms, one per sampled token."""

    def extend(self, piece: Tokens) -> None:
        """Appends the next piece of a stream."""
        if piece.prompt_token_ids is not None:
            self.prompt_token_ids = piece.prompt_token_ids
        self.token_ids += piece.token_ids
        self.logprobs += piece.logprobs

    def put(self, generation_info: dict[str, Any]) -> None:
        """Hands the tokens over in `generation_info`, in place of LangChain's own bulky log-probs."""
        generation_info.pop("logprobs", None)
        generation_info[_PLACE] = self

    @staticmethod
    def popped(generation_info: dict[str, Any] | None) -> Tokens:
        """The tokens that `put` handed over, taken out; empty when there are none."""
        tokens = (generation_info or {}).pop(_PLACE, None)
        return tokens if isinstance(tokens, Tokens) else Tokens()

    def agree(self, output_tokens: int | None) -> bool:
        """Whether prompt, ids and log-probs are all there, in equal numbers, as many as the server counted (None: it
        did not count)."""
        count = len(self.token_ids)
        return (
            self.prompt_token_ids is not None
            and count == len(self.logprobs)
            and (count == output_tokens if output_tokens is not None else count > 0)
        )
