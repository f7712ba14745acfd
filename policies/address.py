"""A policy's address is a string that says which model, where; it can be shown to anybody.

Invariant: an address holds no secret. Keys come from the environment; a URL with credentials or a query is refused, and
the refusal does not repeat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import UsageError

OWN_SCHEMES = ("vllm", "openai", "local", "offline")
_FORMS = 'Use e.g. "vllm:MODEL", "vllm:MODEL@http://HOST:8000/v1", "openai:MODEL", "PROVIDER:MODEL" or "offline"'


@dataclass(frozen=True, slots=True)
class Address:
    """`scheme:model@url`, taken apart."""

    scheme: str
    """One of `OWN_SCHEMES`, or a provider that LangChain knows."""
    model: str
    """For `offline` the seed, possibly empty; else never empty."""
    url: str | None = None
    """Base URL of the server; None: the scheme's own default."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises UsageError for anything that is not an address. Whether the scheme exists is not looked at."""
        scheme, colon, rest = text.strip().partition(":")
        scheme = scheme.strip().lower()
        if scheme == "offline":
            return cls(scheme, rest.strip())
        if not colon:
            raise UsageError(f"{text!r} names no provider", fix=f'Did you mean "openai:{scheme}"? {_FORMS}')
        model, url = _split(rest.strip())
        if not scheme or not model:
            raise UsageError(f"{scheme + ':' if scheme else 'the policy'!r} names no model", fix=_FORMS)
        if scheme == "vllm" and url is None and "@" in model:
            name, _, place = model.rpartition("@")
            raise UsageError(f"{place!r} is not a URL", fix=f'Write "vllm:{name}@http://HOST:PORT/v1"')
        return cls(scheme, model, checked_url(url) if url else None)

    def __str__(self) -> str:
        model = f"{self.scheme}:{self.model}" if self.model else self.scheme
        return f"{model}@{self.url}" if self.url else model


def checked_url(url: str) -> str:
    """`url` without a trailing slash. Raises UsageError unless it is http(s) with a host and nothing secret in it."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"The URL of {host or 'a model server'} carries credentials or a query",
            fix="Give the key in VLLM_API_KEY or OPENAI_API_KEY",
        )
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise UsageError(f"{url!r} is not a base URL", fix="Write http://HOST:PORT/v1")
    return url.rstrip("/")


def public_url(url: str) -> str:
    """`url` as far as it can be shown: without credentials, query and trailing slash."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _split(rest: str) -> tuple[str, str | None]:
    """Model and URL; the `@` of a model's own name is no separator."""
    for mark in ("@http://", "@https://"):
        model, found, place = rest.partition(mark)
        if found:
            return model, mark[1:] + place
    return rest, None
