"""A conversation that goes on is bridged: the tokens that were read and sampled before are sent as they were, and only
what is new is rendered and tokenized. Text is never turned back into tokens that were sampled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prefix:
    """What the prompt of a call begins with, in tokens."""

    messages: int
    """How many of the prompt's messages `ids` stand for: those of an earlier prompt and, last, the reply to it."""
    ids: list[int]
    """Prompt ids of that call followed by its completion ids, as its server reported them."""
