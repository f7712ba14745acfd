"""The action in a reply is its last object that fits, whole and exactly as written, or there is none.

Invariants: no object within reasoning, within another object or cut off is ever taken; no string of an action holds a
control character other than newline and tab; whatever the text, the outcome is an accepted action or a ReplyError.
Which object is the last follows from where it stands, so code fences, tags and prose need no rules of their own.

A reply cut at the token limit (`finish_reason` "length") counts only if the action was its last word: after a complete
draft the reply might have gone on to another one, and a draft is not to be carried out. Likewise when the object that
never ends comes after the complete one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from .candidates import Candidate, Candidates, TangledError
from .escapes import repaired
from .faults import ReplyCode, ReplyError
from .rough import DEPTH_LIMIT

T = TypeVar("T")

ONE_OBJECT = "one JSON object that fits the schema"
_TRIED = 256
"""Objects shown to the schema at most, counted from the end."""
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LAST_WORD = re.compile(r"(?:\s|`|</[\w-]+>)*\Z")
_CONTINUED = re.compile(r"\s*[,\]}]")


def find_action(
    text: str | None,
    accepts: Callable[[dict[str, Any]], T],
    *,
    finish_reason: str | None = None,
    expected: str = ONE_OBJECT,
) -> T:
    """What `accepts` makes of the last object in `text` that it takes; it raises ValueError for one it does not.

    `finish_reason`: as in Reply, None if unknown. `expected` is told to the policy. Raises ReplyError: `empty_reply`
    (nothing, or nothing but reasoning), `truncated` (cut before the action was whole), `no_json` (no object), `schema`
    (with the validator's message for the last object)."""
    if text is None or not text.strip():
        raise ReplyError("The reply is empty", code="empty_reply", expected=expected)
    body = repaired(text)
    try:
        candidates = Candidates.of(body)
    except TangledError as error:
        raise ReplyError(f"No action found: {error}", code="no_json", expected=expected) from error
    cut = finish_reason == "length"
    refusal: str | None = None
    for candidate in reversed(_whole(candidates)[-_TRIED:]):
        try:
            action = accepts(_plain(candidate.value))
        except ValueError as error:
            refusal = refusal or _because(error)
            continue
        if _unfinished_after(candidate, candidates, cut):
            break
        return action
    code, message = _nothing(candidates, cut, refusal)
    raise ReplyError(message, code=code, expected=expected)


def _whole(candidates: Candidates) -> list[Candidate]:
    """The candidates but those that are parts of an object which did not parse: after its brace, and followed by what
    can only follow within something."""
    start = candidates.open_at
    if start is None:
        return candidates.found
    return [c for c in candidates.found if c.start < start or not _CONTINUED.match(candidates.text, c.end)]


def _unfinished_after(candidate: Candidate, candidates: Candidates, cut: bool) -> bool:
    if cut:
        return _LAST_WORD.match(candidates.text, candidate.end) is None
    return candidates.open_at is not None and candidates.open_at > candidate.end


def _nothing(candidates: Candidates, cut: bool, refusal: str | None) -> tuple[ReplyCode, str]:
    """Code and message for a reply without a usable action."""
    if cut or candidates.open_at is not None:
        return "truncated", "The reply ends before its action is whole; a smaller action fits"
    if candidates.thinking and not candidates.found:
        return "truncated", "The reply ends within its reasoning, without an action"
    if refusal is not None:
        return "schema", refusal
    if candidates.silent:
        return "empty_reply", "The reply is nothing but reasoning"
    return "no_json", "The reply holds no JSON object"


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """`value` itself. Raises ValueError for what cannot be stored: control characters, half surrogate pairs, endless
    numbers, deep nesting."""
    level: list[Any] = [value]
    for _ in range(DEPTH_LIMIT):
        for item in level:
            if isinstance(item, str) and (bad := _FORBIDDEN.search(item)):
                raise ValueError(f"a string holds the character U+{ord(bad[0]):04X}, which is not text")
            if isinstance(item, float) and not math.isfinite(item):
                raise ValueError("a number is too large")
        level = [inner for item in level for inner in _parts(item)]
        if not level:
            return value
    raise ValueError(f"nested more than {DEPTH_LIMIT} levels deep")


def _parts(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [*item, *item.values()]
    return item if isinstance(item, list) else []


def _because(error: ValueError) -> str:
    """The validator's message on one line."""
    if isinstance(error, ValidationError):
        told = [f"{'.'.join(map(str, e['loc'])) or 'action'}: {e['msg']}" for e in error.errors()[:5]]
        return "; ".join(told)
    return " ".join(str(error).split()) or type(error).__name__
