"""One object is asked for: of several drafts the last counts and the others are told, and of several in a list none is
taken for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, TypeVar

from ..policies.action import ONE_OBJECT, find_action
from ..policies.candidates import Candidate, Candidates
from ..policies.escapes import repaired
from ..policies.faults import ReplyError
from ..policies.reply import Reply

T = TypeVar("T")
NEXT: Final = re.compile(r"\s*,\s*")


def find_single(reply: Reply, accepts: Callable[[dict[str, Any]], T]) -> tuple[T, list[str]]:
    """What `accepts` makes of the last object of a reply that it takes, and a notice where others would do as well.
    Raises ReplyError as `find_action` does, and for a list of objects."""
    action = find_action(reply.text, accepts, finish_reason=reply.finish_reason)
    candidates = Candidates.of(repaired(reply.text))
    found = candidates.found
    if any(NEXT.fullmatch(candidates.text, before.end, after.start) for before, after in pairwise(found)):
        raise ReplyError(f"The reply lists {len(found)} objects where one is wanted", expected=ONE_OBJECT)
    fitting = [one.value for one in found if _fits(one, accepts)]
    drafts = [value for value in fitting if value != fitting[-1]]
    return action, [f"{len(drafts) + 1} different objects would do; the last one counts"] if drafts else []


def _fits(candidate: Candidate, accepts: Callable[[dict[str, Any]], Any]) -> bool:
    try:
        accepts(candidate.value)
    except ValueError:
        return False
    return True
