"""What can be done in a workflow: every operator is a template that gives a LangChain runnable with a typed outcome."""

from __future__ import annotations

from .outcome import EmptyReply, Outcome
from .prompt import Prompt
from .registry import Registry
from .reply import one_reply
from .sampler import Sampler
from .template import Job, OperatorTemplate

__all__ = ["EmptyReply", "Job", "OperatorTemplate", "Outcome", "Prompt", "Registry", "Sampler", "one_reply"]
