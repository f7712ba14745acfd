"""A tool marked as needing approval is called after a person said yes to exactly these arguments, or not at all. Each
waiting call is a LangGraph interrupt with an id of its own, so several can be answered one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.types import interrupt
from typing_extensions import TypedDict

from ..errors import FlowwrightError


class Asked(TypedDict):
    """The value of the interrupt: what a person decides about."""

    operation: str
    """Id of the operation."""
    tool: str
    arguments: dict[str, Any]
    purpose: str
    """The designer's instruction for the call."""
    key: str
    """Content key of the call: an answer that quotes it can be for no other call."""


class Denied(FlowwrightError):
    """A person refused the call, or approved another one."""


def approve(asked: Asked, *, replayed: bool) -> None:
    """Pause until a person answers with True or False, or with `{"approved": bool, "reason": str, "key": str}`.

    Resumed, the node runs again from its start. `replayed` says that its model calls are then recalled from a journal,
    so that the arguments are the same; where they are not, an approval has to quote the `key` it is for. Raises
    Denied."""
    answer = interrupt(asked)
    given: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {"approved": answer}
    if given.get("approved") is not True:
        reason = given.get("reason")
        raise Denied(f"the call of {asked['tool']} was not approved" + (f": {reason}" if reason else ""))
    if given.get("key", asked["key"] if replayed else None) != asked["key"]:
        fix = "approve the call that is pending now, quoting its key"
        raise Denied(f"the approval of {asked['tool']} was for another call", fix=fix)
