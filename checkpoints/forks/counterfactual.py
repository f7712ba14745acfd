"""An edit makes a past that could have been: it changes what was found out or what may be spent, never what was asked,
decided or sampled, and is refused as a whole when any part of it cannot be checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from ...errors import UsageError
from ...graphs.budget import Budget, checked
from ...graphs.memory import Entry
from ...operators.answers import final_answer
from ...operators.outcome import VerdictWord
from ...policies.policy import Policy

Edit = Mapping[str, Any]
"""`{"budget": {limit: number or None}, "memory": {key: content, or {"content": ..., "verdict": ...}}}`."""
PARTS: Final = ("budget", "memory")
FINDING: Final = {"review": "verdict", "test": "passed", "code": "answer"}
"""What an entry of a kind says beside its text, which an edit has to say too."""
FIXED: Final = ("task", "conversation", "verdict")
"""Kinds that are no findings: what was asked, and what the verifier decided."""


def check_edit(edit: Edit | None) -> Edit:
    """`edit` when each of its parts is known (None: nothing is edited). Raises UsageError."""
    for name, part in (edit or {}).items():
        if name not in PARTS:
            raise UsageError(f"a fork cannot edit {name!r}", fix=f"Parts that can be edited: {', '.join(PARTS)}")
        if not isinstance(part, Mapping) or not part:
            raise UsageError(f"the edit of {name} is {part!r}", fix='Write it as {"name": value}')
    try:
        json.dumps(edit, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the edit is not JSON: {error}", fix="Use texts, numbers, true, false and null") from None
    return edit or {}


def edited_budget(budget: Budget, part: Mapping[str, Any], policies: Mapping[str, Policy]) -> Budget:
    """The limits with those of `part` in their places. Raises UsageError."""
    found = cast(Budget, {**budget, **checked(part)})
    unpriced = [policy.name for policy in policies.values() if policy.price is None]
    if found.get("money") is not None and unpriced:
        raise UsageError(f"a money budget needs prices, and {unpriced[0]} has none", fix="Limit tokens instead")
    return found


def edited_memory(entries: list[Entry], part: Mapping[str, Any]) -> list[Entry]:
    """The entries with those of `part` changed, and marked so. Raises UsageError."""
    known = {one["key"]: one for one in entries}
    for key in part:
        if key not in known:
            raise UsageError(f"there is no memory {key!r} before that turn", fix=f"There are {', '.join(known)}")
    return [_edited(one, part[one["key"]]) if one["key"] in part else one for one in entries]


def _edited(one: Entry, given: Any) -> Entry:
    name = FINDING.get(one["kind"])
    if one["kind"] in FIXED:
        raise UsageError(f"{one['key']} is the run's {one['kind']}", fix="Only what operators found can be edited")
    fields = {"content": given} if isinstance(given, str) and name is None else given
    wanted = {"content"} if name is None else {"content", name}
    if not isinstance(fields, Mapping) or fields.keys() != wanted or not isinstance(fields["content"], str):
        form = "text" if name is None else f'{{"content": text, "{name}": ...}}'
        raise UsageError(f"{one['key']} is a {one['kind']} and cannot become {given!r}", fix=f"Write it as {form}")
    found = {name: _finding(one, name, fields[name])} if name else {"answer": _answer(one, fields["content"])}
    data = {**one["data"], "edited": True}
    return cast(Entry, {**one, "content": fields["content"], **found, "data": data})


def _finding(one: Entry, name: str, value: Any) -> Any:
    words = {"verdict": get_args(VerdictWord), "passed": (True, False)}.get(name)
    good = isinstance(value, str) if words is None else type(value) in (str, bool) and value in words
    if not good and value is not None:
        told = "a text" if words is None else ", ".join(json.dumps(word) for word in words)
        raise UsageError(f"the {name} of {one['key']} cannot be {value!r}", fix=f"Write {told} or null")
    return value


def _answer(one: Entry, content: str) -> str | None:
    """The answer that the text marks, of kinds whose operators read it out of their text."""
    return final_answer(content) if one["kind"] in ("text", "answer", "vote") else one["answer"]
