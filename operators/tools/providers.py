"""Search services that speak JSON over HTTP differ in their address, the names of a few fields, and a key; a key is
sent to its service alone and shown nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from ...errors import UsageError
from ..outcome import ToolFault
from .search import Hit, SearchProvider
from .web import Web

TAG: Final = re.compile(r"</?\w[^<>]{0,200}>")
SEARXNG: Final = "FLOWWRIGHT_SEARXNG_URL"
BRAVE: Final = "BRAVE_API_KEY"


@dataclass(frozen=True)
class JsonSearch:
    """A service that answers GET with JSON in which a list of objects is the hits."""

    name: str
    url: str
    """Where queries go."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """Parameters sent with every query."""
    count: str | None = None
    """Parameter for the number of hits; None: the service takes none."""
    results: tuple[str, ...] = ("results",)
    """The way from the answer to the list of hits."""
    snippet: str = "content"
    """Name of the field with a hit's snippet."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    web: Web = field(default_factory=Web, repr=False)

    async def search(self, query: str, top: int) -> list[Hit]:
        """See SearchProvider."""
        asked = {**self.asked, "q": query, **({self.count: str(top)} if self.count else {})}
        reply = await self.web.get(f"{self.url}?{urlencode(asked)}", headers=self.headers)
        return [hit for one in self._found(reply.body) if (hit := self._hit(one)) is not None][:top]

    def _found(self, body: bytes) -> list[Any]:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise ToolFault(f"{self.name} answered with something that is no JSON", retryable=True) from None
        for step in self.results:
            found = found.get(step, []) if isinstance(found, dict) else []
        return found if isinstance(found, list) else []

    def _hit(self, one: Any) -> Hit | None:
        """A hit without an address is none."""
        fields = [one.get(name) for name in ("title", "url", self.snippet)] if isinstance(one, dict) else []
        title, url, snippet = (value if isinstance(value, str) else "" for value in fields or ("", "", ""))
        return Hit(_plain(title) or url, url.strip(), _plain(snippet)) if url.strip() else None


def searxng(url: str, *, web: Web | None = None) -> JsonSearch:
    """A SearXNG instance at `url`, which may be on a private network. Its `search.formats` setting has to list `json`,
    else it answers with status 403. (docs.searxng.org/dev/search_api.html: `GET /search?q=...&format=json`, and
    `results` of `title`, `url`, `content`.)

    Raises UsageError for what is no URL of a server.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{url!r} is no address of a SearXNG instance", fix="Give one like http://localhost:8888")
    mine = web or Web()
    mine = replace(mine, allow_hosts=mine.allow_hosts | {parts.hostname})
    return JsonSearch(f"SearXNG at {parts.netloc}", f"{url.rstrip('/')}/search", {"format": "json"}, web=mine)


def brave(
    key: str, *, url: str = "https://api.search.brave.com/res/v1/web/search", web: Web | None = None
) -> JsonSearch:
    """The Brave Search API with a subscription key. (api-dashboard.search.brave.com/app/documentation: `q`, `count` up
    to 20, header `X-Subscription-Token`, and `web.results` of `title`, `url`, `description`.)"""
    return JsonSearch(
        "Brave Search",
        url,
        count="count",
        results=("web", "results"),
        snippet="description",
        headers={"X-Subscription-Token": key, "Accept": "application/json"},
        web=web or Web(),
    )


def configured(environment: Mapping[str, str]) -> SearchProvider:
    """The provider that environment variables name: FLOWWRIGHT_SEARXNG_URL, else BRAVE_API_KEY. Raises UsageError where
    neither is set, and for an address that is none."""
    if address := environment.get(SEARXNG, "").strip():
        return searxng(address)
    if key := environment.get(BRAVE, "").strip():
        return brave(key)
    raise UsageError("no web search is set up", fix=f"Set {SEARXNG} or {BRAVE}")


def _plain(text: str) -> str:
    """Text without the markup that services put around matched words, on one line."""
    return " ".join(unescape(TAG.sub("", text)).split())
