"""What was sent is read off the request body itself, after every default and merge, and holds no secret.

Invariant: equal to the body a server receives, except that the parts as long as a prompt (`messages`, a `prompt` in
tokens, `tools`, schemas) stand as digests, values under secret-looking names as `<redacted>`, and of the headers only
the request's own key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from ..digest import digest

IDEMPOTENCY_HEADERS = ("X-Request-Id", "Idempotency-Key")
"""The first joins our record to the server's log (vLLM makes the response id of it), the second names the attempt's
deed to servers that keep answers."""

TRANSPORT_ONLY = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})
"""Arguments of the SDK that are no part of the body."""

_BY_DIGEST = ("messages", "prompt", "tools", "functions", "response_format", "structured_outputs")
_SECRET_NAME = re.compile(r"(?i)(api|access|auth|private)[_-]?(key|token)|password|secret|authorization|credential")


def sent_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an OpenAI chat request. `payload`: keyword arguments of the SDK's `create`, whose `extra_body` the
    SDK merges over the rest key by key."""
    body = {key: value for key, value in payload.items() if key not in TRANSPORT_ONLY}
    body |= payload.get("extra_body") or {}
    plain: dict[str, Any] = to_jsonable_python(body, fallback=lambda value: type(value).__name__)
    for name in _BY_DIGEST:
        if name in plain:
            plain[name] = _summary(name, plain[name])
    record: dict[str, Any] = _redacted(plain)
    headers = payload.get("extra_headers") or {}
    key = next((headers[name] for name in IDEMPOTENCY_HEADERS if name in headers), None)
    return record | ({"key": key} if key else {})


def headers_for(key: str) -> dict[str, str]:
    """The idempotency headers of one operation. A key that HTTP cannot carry as it is goes as its digest."""
    value = key if re.fullmatch(r"[\x21-\x7e]{1,200}", key) else digest(key)
    return dict.fromkeys(IDEMPOTENCY_HEADERS, value)


def _summary(name: str, value: Any) -> dict[str, Any]:
    if name == "prompt":
        return {"digest": digest(value), "count": len(value)}
    if name != "messages":
        return {"digest": digest(value)}
    characters = sum(len(item) if isinstance(item, str) else len(json.dumps(item)) for item in map(_content, value))
    return {"digest": digest(value), "count": len(value), "characters": characters}


def _content(message: dict[str, Any]) -> Any:
    return message.get("content") or ""


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "<redacted>" if isinstance(item, str) and _SECRET_NAME.search(key) else _redacted(item)
            for key, item in value.items()
        }
    return [_redacted(item) for item in value] if isinstance(value, list) else value
