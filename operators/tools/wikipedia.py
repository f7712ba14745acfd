"""Every page found is fetched by itself, all at the same time, and what cannot be fetched is named beside what can: one
page never costs another. A query is data and is sent as it is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from ..context import excerpt
from ..outcome import Outcome, ToolFault
from ..template import Builder, Job, OperatorTemplate
from .calling import arguments_of, calling
from .passages import Document, passages_of
from .ranking import Ranking
from .retrieval import query_parameters
from .web import Web

ENDPOINT: Final = "https://en.wikipedia.org/w/api.php"
MOST: Final = 5
"""Pages one call reads at most."""
PASSAGES: Final = 3
"""Passages of a page in a result, besides its first."""
FORM: Final = {"action": "query", "format": "json", "formatversion": "2"}
SEARCH: Final = {**FORM, "list": "search", "srprop": ""}
EXTRACT: Final = {**FORM, "prop": "extracts", "explaintext": "1", "exsectionformat": "plain", "redirects": "1"}


@dataclass(frozen=True)
class Read:
    """A page that was found: its first passage, and those that have most to do with the query."""

    title: str
    text: str
    fault: str | None = None
    """Why it could not be read; None: it was."""


def wikipedia(
    endpoint: str = ENDPOINT, *, name: str = "WIKIPEDIA", top: int = 3, web: Web | None = None
) -> OperatorTemplate:
    """The tool that searches a MediaWiki at `endpoint` (its api.php) and quotes from the pages found, `top` of them
    unless it is asked for another number. (mediawiki.org/wiki/API:Search and Extension:TextExtracts: `list=search`, and
    `prop=extracts`, which gives the whole text of one page a request.)"""
    return OperatorTemplate(
        name=name,
        purpose="Search Wikipedia and read what its pages say about the query.",
        accepts="a subject or question in a few words",
        output="result",
        build=_reading(endpoint, web or Web(), top),
        max_calls=0,
        min_inputs=0,
        parameters=query_parameters(f"What to look for, at {urlsplit(endpoint).hostname}", top, MOST),
    )


def _reading(endpoint: str, web: Web, top: int) -> Builder:
    async def read(job: Job) -> Outcome:
        given = arguments_of(job)
        query: str = given["query"]
        asked = {**SEARCH, "srsearch": query, "srlimit": str(int(given.get("top", top)))}
        found = [one for one in (await _asked(web, endpoint, asked)).get("search") or [] if _is_page(one)]
        pages = await asyncio.gather(*(_page(web, endpoint, one, query) for one in found))
        if pages and all(page.fault for page in pages):
            raise ToolFault(f"no page could be read: {pages[0].fault}", retryable=True)
        content = "\n\n".join(f"# {page.title}\n{page.text}" for page in pages) or "No page was found."
        return Outcome(kind="result", content=content, data={"pages": [_as_data(page) for page in pages]})

    return calling(read)


def _is_page(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("title"), str) and isinstance(one.get("pageid"), int)


async def _page(web: Web, endpoint: str, one: dict[str, Any], query: str) -> Read:
    title = excerpt(one["title"], 200)
    try:
        answer = await _asked(web, endpoint, {**EXTRACT, "pageids": str(one["pageid"])})
    except ToolFault as fault:
        return Read(title, f"(This page could not be read: {fault.message})", fault.message)
    pages = [page for page in answer.get("pages") or [] if isinstance(page, dict)]
    text = next((page["extract"] for page in pages if isinstance(page.get("extract"), str)), "")
    if not text.strip():
        return Read(title, "(This page has no text.)")
    return Read(title, await asyncio.to_thread(_quoted, Document(title, title, text), query))


def _quoted(document: Document, query: str) -> str:
    first, *others = passages_of(document)
    found = Ranking([replace(one, title="") for one in others]).best(query, PASSAGES) if others else []
    starts = sorted(one.start for one, _ in found)
    return "\n[...]\n".join([first.text, *(one.text for one in others if one.start in starts)])


async def _asked(web: Web, endpoint: str, parameters: dict[str, str]) -> dict[str, Any]:
    """The `query` part of the answer. Raises ToolFault."""
    host = urlsplit(endpoint).hostname
    reply = await web.get(f"{endpoint}?{urlencode(parameters)}")
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise ToolFault(f"{host} answered with something that is no JSON", retryable=True) from None
    if not isinstance(answer, dict) or "error" in answer:
        error = answer.get("error") if isinstance(answer, dict) else None
        told = str(error.get("info", error))[:200] if isinstance(error, dict) else "an answer of another form"
        raise ToolFault(f"{host} refused the query: {told}", retryable=False, fix="Ask in other words")
    query = answer.get("query")
    return query if isinstance(query, dict) else {}


def _as_data(page: Read) -> dict[str, str | int | None]:
    return {"title": page.title, "characters": len(page.text), "fault": page.fault}


WIKIPEDIA: Final = wikipedia()
