"""A page is fetched from the public internet or not at all, and what comes back is bounded text."""

from __future__ import annotations

import asyncio
from typing import Final

from ..context import excerpt
from ..outcome import Outcome
from ..template import Builder, Job, OperatorTemplate
from .calling import arguments_of, calling
from .page import read_page
from .web import Web

SHOWN: Final = 12_000
"""Characters of a page in a result."""
WEB: Final = Web()


def fetch_page(web: Web = WEB, *, name: str = "FETCH_PAGE") -> OperatorTemplate:
    """The tool that reads one web page through `web`."""
    return OperatorTemplate(
        name=name,
        purpose="Read the text of a web page.",
        accepts="the URL of a page on the public internet",
        output="result",
        build=_fetching(web),
        max_calls=0,
        min_inputs=0,
        parameters={
            "type": "object",
            "properties": {
                "url": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 2000,
                    "description": "A complete URL, with http:// or https://",
                }
            },
            "required": ["url"],
            "additionalProperties": False,
        },
    )


def _fetching(web: Web) -> Builder:
    async def fetch(job: Job) -> Outcome:
        url: str = arguments_of(job)["url"].strip()
        reply = await web.get(url)
        page = await asyncio.to_thread(read_page, reply)
        cut = reply.truncated or len(page.text) > SHOWN
        lines = [f"URL: {reply.url}", *([f"Title: {page.title[:300]}"] if page.title else [])]
        if reply.truncated:
            lines.append(f"Only the first {web.most_bytes:,} bytes were read.")
        text = excerpt(page.text, SHOWN) or "(There is no text on the page.)"
        return Outcome(
            kind="result",
            content="\n".join([*lines, "", text]),
            data={"url": reply.url, "title": page.title[:300], "characters": len(page.text), "truncated": cut},
        )

    return calling(fetch)


FETCH_PAGE: Final = fetch_page()
