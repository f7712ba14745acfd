"""An operator's prompt is read by its outer frame only: what stands inside an input never ends it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import BaseMessage

_ROLE: Final = re.compile(r"\s*You are the ([A-Z][A-Z0-9_]*) operator\.")
_FRAME: Final = re.compile(r"<context>\n(.*?)\n?</context>\n<instruction>\n?(.*?)\n?</instruction>\s*$", re.DOTALL)
_OPENING: Final = re.compile(r'(?:^|\n</input>\n)<input key="([^"\n]*)">\n')


@dataclass(frozen=True, slots=True)
class Input:
    """One entry of the context."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """What an operator asks of its model."""

    operator: str
    inputs: tuple[Input, ...]
    instruction: str

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> OperatorCall | None:
        """The call in a prompt; None: the prompt is not an operator's."""
        role = _ROLE.match(messages[0].text) if messages else None
        if role is None:
            return None
        calls = (framed_call(role[1], message.text) for message in reversed(messages))
        return next((one for one in calls if one), None)


def framed_call(operator: str, text: str) -> OperatorCall | None:
    """The call in the frame that ends `text`; None: there is no frame."""
    frame = _FRAME.search(text)
    return OperatorCall(operator, tuple(_inputs(frame[1])), frame[2].strip()) if frame else None


def _inputs(context: str) -> list[Input]:
    openings = list(_OPENING.finditer(context))
    ends = [*(one.start() for one in openings[1:]), len(context)]
    return [
        Input(one[1], context[one.end() : end].removesuffix("\n</input>"))
        for one, end in zip(openings, ends, strict=True)
    ]
