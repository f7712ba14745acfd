"""Who decides: chat models for roles, what they were really sent, what they really said, and the action in it.

Importing this room loads no provider's library; `ChatVLLM` loads langchain-openai when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .action import find_action
from .faults import ProviderError, ReplyError, classify
from .policies import Policies
from .policy import Policy
from .reply import Reply
from .resolve import resolve
from .retry import Retries, call_with_retries

if TYPE_CHECKING:
    from .vllm import ChatVLLM

__all__ = [
    "ChatVLLM",
    "Policies",
    "Policy",
    "ProviderError",
    "Reply",
    "ReplyError",
    "Retries",
    "call_with_retries",
    "classify",
    "find_action",
    "resolve",
]


def __getattr__(name: str) -> Any:
    if name != "ChatVLLM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(".vllm", __name__).ChatVLLM
