"""A provider fault is typed, or it is not a provider fault: whatever cannot be classified propagates as it was raised.

Provider faults (server, network, quota, wrong endpoint) are never the policy's doing: they are retried or shown to the
operator of the run, and never count in a reward. Reply faults are the policy's doing: they become feedback for it.
"""

from __future__ import annotations

import copyreg
import json
import re
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from langchain_core import exceptions as lc

from ..errors import FlowwrightError

FaultCode = Literal[
    "rate_limit",
    "quota",
    "server",
    "timeout",
    "connection",
    "authentication",
    "permission",
    "not_found",
    "context_overflow",
    "invalid_request",
    "bad_response",
    "wrong_model",
]
ReplyCode = Literal["empty_reply", "truncated", "no_json", "schema"]

RETRYABLE: frozenset[FaultCode] = frozenset({"rate_limit", "server", "timeout", "connection", "bad_response"})
"""What may pass when the same request is made again; everything else fails the same way each time."""

_FIXES: dict[FaultCode, str] = {
    "quota": "Add credit to the account or name another model",
    "connection": "Check that the server is running and that the URL is right",
    "authentication": "Set the provider's API key in the environment",
    "permission": "Use a key that may call this model",
    "not_found": "Check the model's name and the base URL",
    "context_overflow": "Shorten the prompt or serve the model with a longer context",
    "wrong_model": "Serve the model that was asked for, or name the one that is served",
}


class _Fault(FlowwrightError):
    """Pickled as it is: rollouts in other processes hand their faults over, and `fix` is in the text already."""

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class ProviderError(_Fault):
    """A model call that the provider did not answer properly."""

    def __init__(
        self,
        message: str,
        *,
        code: FaultCode = "server",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`status`: HTTP status, None when there was no answer. `retry_after`: seconds the server asked to wait, None
        when it did not say."""
        super().__init__(message, fix=_FIXES.get(code))
        self.code: FaultCode = code
        self.retryable = code in RETRYABLE
        self.status = status
        self.retry_after = retry_after
        self.attempts = 1
        """Attempts made when this was raised; more than 1 only after retries."""


class ReplyError(_Fault):
    """A reply that holds no usable action. `expected` says what would have been accepted."""

    def __init__(
        self, message: str, *, code: ReplyCode = "schema", expected: str = "one JSON object that fits the schema"
    ) -> None:
        """`message` goes to the policy as feedback, so it quotes the validator and never the whole reply."""
        super().__init__(message, fix=f"Expected: {expected}")
        self.code: ReplyCode = code
        self.expected = expected


_BY_CORE_CLASS: tuple[tuple[type[Exception], FaultCode], ...] = (
    (lc.ContextOverflowError, "context_overflow"),
    (lc.ModelTimeoutError, "timeout"),
    (lc.ModelConnectionError, "connection"),
    (lc.ModelRateLimitError, "rate_limit"),
    (lc.ModelAuthenticationError, "authentication"),
    (lc.ModelPermissionDeniedError, "permission"),
    (lc.ModelNotFoundError, "not_found"),
    (lc.ModelInvalidRequestError, "invalid_request"),
    (lc.ModelAPIError, "server"),
    (TimeoutError, "timeout"),
    (ConnectionError, "connection"),
)

_BY_LIBRARY_CLASS: tuple[tuple[tuple[str, ...], str, FaultCode], ...] = (
    (("openai", "anthropic"), "APITimeoutError", "timeout"),
    (("openai", "anthropic"), "APIResponseValidationError", "bad_response"),
    (("openai", "anthropic"), "APIConnectionError", "connection"),
    (("openai", "anthropic"), "APIError", "server"),
    (("httpx", "httpx2"), "TimeoutException", "timeout"),
    (("httpx", "httpx2"), "DecodingError", "bad_response"),
    (("httpx", "httpx2"), "HTTPError", "connection"),
)
"""Looked up only in libraries that are already imported: one that is not cannot have raised the error."""

_BY_STATUS: dict[int, FaultCode] = {
    400: "invalid_request",
    401: "authentication",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "server",
    413: "invalid_request",
    422: "invalid_request",
    425: "server",
    429: "rate_limit",
}

_OVERFLOW = re.compile(
    r"maximum (context|model) length|context_length_exceeded|context window|prompt is too long"
    r"|input token count.{0,80}exceeds|longer than the maximum|exceeds the (model's )?maximum",
    re.IGNORECASE | re.DOTALL,
)
_SECRET = re.compile(r"(?i)\bbearer\s+[^\s\"',;]+|\b(?:sk|pk|lsv2|hf|gsk|xai)[-_][\w-]{8,}|(?<=://)[^/\s@]+@")


def classify(error: BaseException) -> ProviderError | None:
    """The provider fault that `error` is, raised by a chat model; None when it is something else and must propagate."""
    if isinstance(error, ProviderError):
        return error
    code = _code(error)
    if code is None:
        return None
    status = _status(error)
    text = _text(error)
    told = f"{getattr(error, 'code', '')} {text}"
    if code == "invalid_request" and _OVERFLOW.search(told):
        code = "context_overflow"
    elif code == "rate_limit" and "insufficient_quota" in told:
        code = "quota"
    where = f" (HTTP {status})" if status else ""
    message = f"{code.replace('_', ' ')}{where}: {text}"
    return ProviderError(message, code=code, status=status, retry_after=_retry_after(error))


def _code(error: BaseException) -> FaultCode | None:
    for kind, code in _BY_CORE_CLASS:
        if isinstance(error, kind):
            return code
    for libraries, name, code in _BY_LIBRARY_CLASS:
        known = tuple(getattr(sys.modules[library], name) for library in libraries if library in sys.modules)
        if isinstance(error, known):
            return _of_status(_status(error)) or code
    if isinstance(error, json.JSONDecodeError) and hasattr(error, "response"):
        return "bad_response"  # a 200 whose body is not JSON; langchain-openai attaches the response to it
    return None


def _of_status(status: int | None) -> FaultCode | None:
    if status is None:
        return None
    if status >= 500:
        return "server"
    return _BY_STATUS.get(status, "invalid_request" if status >= 400 else None)


def _status(error: BaseException) -> int | None:
    """The HTTP status: of the response, or named in the error event that ended a stream."""
    response = getattr(error, "response", None)
    body = getattr(error, "body", None)
    named = body.get("code") if isinstance(body, dict) else None
    for status in (getattr(response, "status_code", None), getattr(error, "status_code", None), named):
        if isinstance(status, int) and 100 <= status <= 599:
            return status
    return None


def _text(error: BaseException) -> str:
    """One line of at most 300 characters without anything that looks like a credential."""
    line = " ".join((str(error) or type(error).__name__).split())
    return _SECRET.sub("<redacted>", line)[:300]


def _retry_after(error: BaseException) -> float | None:
    """Seconds from `retry-after-ms` or `Retry-After` (number or HTTP date, RFC 9110 section 10.2.3)."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    milliseconds, plain = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return _seconds(float(milliseconds) / 1000)
        return _seconds(float(plain)) if plain is not None else None
    except ValueError:
        return _until(plain)


def _until(date: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return _seconds((moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None


def _seconds(value: float) -> float | None:
    """Not a number and endless waits count as not said."""
    return max(0.0, value) if value < 1e7 else None
