"""A planner's reply is its last decision, in either written form; what stands within the texts of a step is quoted
there and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ..policies.faults import ReplyError
from ..policies.reply import Reply
from .labels import Labelled, read_labels
from .single import find_single
from .step import from_flat

Read = tuple[dict[str, Any], list[str]]
EXPECTED: Final = "Context, Sub-Goal and Tool Name, each on a line of its own, or one JSON object"


def read_step(reply: Reply) -> Read:
    """The decision, and what had to be put right to read it. Raises ReplyError."""
    problem: ReplyError | None = None
    for read in _ways(reply):
        try:
            return read()
        except ReplyError as error:
            problem = error if problem is None or error.code != "no_json" else problem
    assert problem is not None, "there is always a way"
    raise problem


def _ways(reply: Reply) -> Iterator[Callable[[], Read]]:
    """The ways to read a reply: what stands last in it first. Of a reply that was cut no label's text is known to be
    whole."""
    labelled = None if reply.finish_reason == "length" else read_labels(reply.text)
    if labelled is not None:
        yield partial(in_json, reply.model_copy(update={"text": labelled.after}))
        yield partial(in_labels, labelled)
    yield partial(in_json, reply)


def in_json(reply: Reply) -> Read:
    """The last object that is a decision. Raises ReplyError."""
    (action, filled), notices = find_single(reply, from_flat)
    return action, [*notices, *filled]


def in_labels(found: Labelled) -> Read:
    """The labelled step. Raises ReplyError where parts are missing."""
    try:
        action, filled = from_flat(dict(found.fields))
    except ValueError as error:
        raise ReplyError(" ".join(str(error).split()), expected=EXPECTED) from error
    return action, [*found.notices, *filled]
