"""Whoever searches the web is behind one interface, and a hit is a title, an address and a snippet, whoever found it.
Without a provider there is no tool."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Protocol, runtime_checkable

from ..context import excerpt
from ..outcome import Outcome
from ..template import Builder, Job, OperatorTemplate
from .calling import arguments_of, calling
from .retrieval import query_parameters

MOST: Final = 10
"""Hits one call gives at most."""


@dataclass(frozen=True)
class Hit:
    """One search result."""

    title: str
    url: str
    snippet: str
    """Empty: the provider gave none."""

    def bounded(self) -> Hit:
        """The hit with text of a length that can be shown."""
        return Hit(excerpt(self.title, 200), self.url[:500], excerpt(self.snippet, 1_000))


@runtime_checkable
class SearchProvider(Protocol):
    """Searches the web."""

    @property
    def name(self) -> str:
        """Which provider it is; results of one are never taken for those of another."""
        ...

    async def search(self, query: str, top: int) -> list[Hit]:
        """At most `top` hits, the best first. Raises ToolFault."""
        ...


def web_search(provider: SearchProvider, *, name: str = "WEB_SEARCH", top: int = 5) -> OperatorTemplate:
    """The tool that asks `provider`, for `top` hits unless it is asked for another number."""
    return OperatorTemplate(
        name=name,
        purpose="Search the web for pages. Gives titles, addresses and snippets.",
        accepts="a search query",
        output="result",
        build=_searching(provider, top),
        max_calls=0,
        min_inputs=0,
        parameters=query_parameters(f"What to look for, as typed into a search engine ({provider.name})", top, MOST),
    )


def _searching(provider: SearchProvider, top: int) -> Builder:
    async def search(job: Job) -> Outcome:
        given = arguments_of(job)
        wanted = int(given.get("top", top))
        hits = [hit.bounded() for hit in (await provider.search(given["query"], wanted))[:wanted]]
        lines = [f"{number}. {hit.title}\n{hit.url}\n{hit.snippet}".rstrip() for number, hit in enumerate(hits, 1)]
        content = "\n\n".join(lines) or "Nothing was found."
        return Outcome(kind="result", content=content, data={"hits": [asdict(hit) for hit in hits]})

    return calling(search)
