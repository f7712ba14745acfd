"""A conversation that goes on keeps its tokens: of a bridged prompt only the new messages are rendered, as the chat
template renders them after some reply, and the tokens before are those that were sent and sampled."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from jinja2 import TemplateError

from ..faults import ProviderError
from ..prefix import Prefix
from .request import Said

MARK: Final = "qzq"
"""Stands for the reply in a rendered conversation: what comes after it comes after any reply."""


class Prompter:
    """Renders prompts with a tokenizer's chat template."""

    def __init__(self, tokenizer: Any, ends: Collection[int]) -> None:
        """`ends` are the tokens that end a reply."""
        self.tokenizer = tokenizer
        self.ends = ends

    def ids(self, messages: Said, prefix: Prefix | None) -> list[int]:
        """The prompt's tokens. They begin with those of `prefix` unless the template allows no bridge: then everything
        is rendered. Raises ProviderError where the template refuses the conversation."""
        if prefix is not None and 0 < prefix.messages <= len(messages):
            new = self._after_reply(messages[prefix.messages :], prefix.ids)
            if new is not None:
                return [*prefix.ids, *new]
        try:
            return list(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))
        except TemplateError as error:
            text = f"the chat template refuses this conversation: {error}"
            raise ProviderError(text, code="invalid_request") from error

    def _after_reply(self, new: Said, before: list[int]) -> list[int] | None:
        """What follows the tokens `before`, which end with a reply; None: the template does not tell."""
        mark = MARK
        while any(mark in message["content"] for message in new):
            mark += MARK
        start = [{"role": "user", "content": "x"}, {"role": "assistant", "content": mark}]
        rest = self._after(mark, [*start, *new], generation=True)
        if rest is None or not before or before[-1] not in self.ends:
            return rest
        closing = self._after(mark, start, generation=False) or []
        if before[-1] in closing and rest[: len(closing)] == closing:
            return rest[closing.index(before[-1]) + 1 :]
        return rest[1:] if rest[:1] == before[-1:] else rest

    def _after(self, mark: str, messages: Said, *, generation: bool) -> list[int] | None:
        """Tokens that the template puts after `mark`."""
        try:
            text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=generation, tokenize=False)
        except TemplateError:
            return None
        _, found, after = text.rpartition(mark)
        if not found:
            return None
        whole, head = self._tokens(mark + after), self._tokens(mark)
        return whole[len(head) :] if whole[: len(head)] == head else self._tokens(after)

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
