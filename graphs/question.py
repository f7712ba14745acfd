"""A question is all of one model call but its seed: asked in the same words, it is the same call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from ..sampling import Sampling


@dataclass(frozen=True)
class Question:
    """What a role asks its model."""

    messages: list[BaseMessage]
    sampling: Sampling
    schema: dict[str, Any] | None = None
    """JSON schema of the reply, for constrained decoding; None: free text."""
