"""The tools that come with Flowwright and need nothing but what is installed; a tool that needs a place to look in is
there only where one is given."""

from __future__ import annotations

from pathlib import Path

from ..template import OperatorTemplate
from .algebra import ALGEBRA
from .calculator import CALCULATOR
from .fetch import fetch_page
from .python import PYTHON
from .retrieval import corpus_search
from .search import SearchProvider, web_search
from .web import Web
from .wikipedia import wikipedia


def builtin_tools(
    *, web: Web | None = None, provider: SearchProvider | None = None, corpus: str | Path | None = None
) -> list[OperatorTemplate]:
    """The tools in the order in which a catalogue shows them.

    `web` is the client for pages (None: no tool reaches the network, save `provider`); `provider` adds WEB_SEARCH and
    `corpus` SEARCH_CORPUS (None: there is none). Raises UsageError for a corpus that cannot be read.
    """
    tools = [PYTHON, CALCULATOR, ALGEBRA]
    if corpus is not None:
        tools.append(corpus_search(corpus))
    if provider is not None:
        tools.append(web_search(provider))
    if web is not None:
        tools += [wikipedia(web=web), fetch_page(web)]
    return tools
