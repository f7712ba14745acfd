"""Whatever a tool returns becomes one readable text that is never blank and has a bounded size, and beside it the same
as data where it is JSON: equal results give equal outcomes, so no id, time or address of ours gets into them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.tools import ToolException
from langgraph.types import Command
from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_json

from ..context import excerpt
from ..outcome import Outcome
from .names import one_line

LONGEST: Final = 32_000
"""Characters of a result's text, and of its data as JSON."""
DEEPEST: Final = 48
"""Levels of nested data that are kept; checkpoints hold no deeper ones everywhere."""
WIDEST: Final = 2**63 - 1
"""Largest whole number that a checkpoint holds."""
NOTHING: Final = "(the tool returned nothing)"


def outcome_of(value: Any, cost: float = 0.0) -> Outcome:
    """The outcome of a tool that returned `value`; `cost` is the price of the call in US dollars.

    `data` has `cost`, `structured` where the value is or carries JSON data that fits, and `left_out`, the number of
    characters by which the text was too long, where it was. Raises ToolException for a message that reports an error
    and for what cannot be a result: an iterator, or a LangGraph Command.
    """
    if isinstance(value, Command | Iterator):
        raise ToolException(f"it returned a {type(value).__name__}, which is not a result")
    text, structured = _read(value)
    text = text.encode("utf-8", "replace").decode()
    data: dict[str, JsonValue] = {"cost": cost}
    if structured is not None:
        data["structured"] = structured
    if len(text) > LONGEST:
        data["left_out"] = len(text) - LONGEST
    return Outcome(kind="result", content=excerpt(text, LONGEST) if text.strip() else NOTHING, data=data)


def _read(value: Any) -> tuple[str, JsonValue]:
    """The text and the data of a value; None: it has no data that fits."""
    if value is None or isinstance(value, str):
        return value or "", None
    if isinstance(value, BaseMessage):
        return _read_message(value)
    if _is_content(value):
        return text_of(value), None
    data = json_of(value)
    text = str(value) if data is None else json.dumps(data, ensure_ascii=False)
    return text, data if len(text) <= LONGEST else None


def _read_message(message: BaseMessage) -> tuple[str, JsonValue]:
    text = text_of(message.content if isinstance(message.content, list) else [message.content])
    if not isinstance(message, ToolMessage):
        return text, None
    if message.status == "error":
        raise ToolException(text or "it reported an error without a word")
    data = None if message.artifact is None else json_of(message.artifact)
    return text, data if len(json.dumps(data)) <= LONGEST else None


def _is_content(value: Any) -> bool:
    """Whether a value is a list of message content: text blocks among others."""
    return isinstance(value, list) and bool(value) and all(_is_block(block) for block in value)


def _is_block(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "text" and isinstance(block.get("text"), str)


def text_of(content: Sequence[Any]) -> str:
    """The text of content blocks; a line stands for each that is none, such as an image."""
    return "\n".join(_line(block) for block in content)


def _line(block: Any) -> str:
    if isinstance(block, str):
        return block
    if _is_block(block):
        return str(block["text"])
    kind = block.get("type", "content") if isinstance(block, Mapping) else type(block).__name__
    told = [block[key] for key in ("mime_type", "url") if block.get(key)] if isinstance(block, Mapping) else []
    return f"[{one_line(' '.join(map(str, [kind, *told])), 300)}]"


def json_of(value: Any) -> JsonValue:
    """`value` as JSON data: models, data classes, dates and sets too. None: it is none, is nested too deeply, or has a
    number that JSON or a checkpoint cannot hold; NaN and the infinities become null."""
    try:
        data: JsonValue = json.loads(to_json(value, inf_nan_mode="null"), parse_int=_whole)
        return data if _fits(data, DEEPEST) else None
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        return None


def _whole(digits: str) -> int:
    number = int(digits)
    if abs(number) > WIDEST:
        raise ValueError("wider than 64 bits")
    return number


def _fits(data: JsonValue, levels: int) -> bool:
    if isinstance(data, dict | list):
        inner = data.values() if isinstance(data, dict) else data
        return levels > 0 and all(_fits(each, levels - 1) for each in inner)
    return True
