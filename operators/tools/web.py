"""What a model or a page may ask the web for is said in one place: which hosts, which ports, how many redirects and
bytes, how long. There is no way to ask without these limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from ...errors import UsageError

Lookup = Callable[[str, int], list[tuple[Any, ...]]]
"""Like `socket.getaddrinfo` for TCP; called in a thread."""


@dataclass(frozen=True)
class Reply:
    """What a server gave."""

    url: str
    """Where it came from, after redirects."""
    content_type: str
    """Lower case, without parameters; empty: the server gave none."""
    charset: str | None
    """None: the server gave none."""
    body: bytes
    """Decompressed."""
    truncated: bool
    """Whether there was more than the limit."""


@dataclass(frozen=True)
class Web:
    """A client for URLs that a model or a page chose. It keeps no cookies, takes no proxy from the environment, and
    sends no credentials that a URL holds."""

    seconds: float = 20.0
    """For everything together: look-ups, redirects, transfer."""
    most_bytes: int = 2_000_000
    """Of a body after decompression; what is longer is cut."""
    redirects: int = 5
    ports: frozenset[int] = frozenset({80, 443})
    allow_hosts: frozenset[str] = frozenset()
    """Hosts, as written in a URL, that may be private and be asked at any port."""
    lookup: Lookup | None = field(default=None, repr=False)
    """Looks a name up; None: as this machine does."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """The reply at `url`; `headers` are sent to its origin alone. Raises ToolFault for a URL that is refused, for
        an answer that is no success, and when the time is up; UsageError where aiohttp is not installed."""
        if find_spec("aiohttp") is None:
            raise UsageError("the web tools need aiohttp", fix="Run: pip install 'flowwright[tools]'")
        from .download import download

        return await download(self, url, dict(headers or {}))
