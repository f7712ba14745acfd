"""A request for a tool's arguments has the frame of an operator's prompt, and the tool before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import BaseMessage

from .operator_call import OperatorCall, framed_call
from .sections import json_lines

_TOOL: Final = re.compile(r"^<tool>\n(.*?)\n</tool>$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """What the caller of a tool is asked."""

    call: OperatorCall
    """The tool's name stands where an operator's would."""
    corrected: bool
    """Whether an earlier reply did not fit."""

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> ToolRequest | None:
        """The request in a prompt; None: it is none."""
        for position, message in enumerate(messages):
            tool = _TOOL.search(message.text)
            named = next(iter(json_lines(tool[1])), {}) if tool else {}
            call = framed_call(str(named.get("name", "")), message.text)
            if tool and call:
                return cls(call, position + 1 < len(messages))
        return None
