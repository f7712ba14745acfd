"""A model in this process: what is reported as sampled is what was sampled, with the log-probabilities of the very
distribution it was drawn from, whatever other calls it was batched with."""

from .chat import ChatLocal

__all__ = ["ChatLocal"]
