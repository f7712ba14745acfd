"""Questions to a server beside the calls: what it refuses is an answer, what may pass is a fault.

Invariant: a question goes over the client of the calls, with its address, credentials and time-outs, in one attempt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import openai

T = TypeVar("T")

_PASSING = (408, 409, 425, 429)
"""Statuses below 500 that may be others when asked again."""


def post(client: Any, route: str, body: dict[str, Any], **how: Any) -> Any:
    """The JSON answer to one request (of an asynchronous client: to be awaited). `route`: below the client's address,
    or an address. Raises openai.APIError, and ValueError for what is no JSON."""
    return client.post(route, cast_to=object, body=body, **how)


def lasting(find: Callable[[], T | None]) -> T | None:
    """What `find` finds out; None also when the server would refuse each time. Raises openai.APIError for what may
    pass."""
    try:
        return find()
    except (openai.APIStatusError, ValueError) as error:
        if _refused(error):
            return None
        raise


async def alasting(finding: Awaitable[T | None]) -> T | None:
    """As `lasting`."""
    try:
        return await finding
    except (openai.APIStatusError, ValueError) as error:
        if _refused(error):
            return None
        raise


def _refused(error: openai.APIStatusError | ValueError) -> bool:
    """Whether the server does not know the question, or answers no JSON."""
    if not isinstance(error, openai.APIStatusError):
        return True
    return error.status_code < 500 and error.status_code not in _PASSING
