"""A tool can be named in one word, for a command line: `NAME` or `NAME:PLACE`, and nothing else is opened by it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from ...errors import UsageError
from ..template import OperatorTemplate
from .fetch import fetch_page
from .mcp import mcp_operators
from .providers import configured, searxng
from .python import PYTHON_SESSION
from .retrieval import corpus_search
from .search import web_search
from .wikipedia import wikipedia

PLAIN: Final[dict[str, Callable[[], OperatorTemplate]]] = {
    "fetch": fetch_page, "wikipedia": wikipedia, "python-session": lambda: PYTHON_SESSION,
    "web-search": lambda: web_search(configured(os.environ)),
}  # fmt: skip
PLACED: Final[dict[str, Callable[[str], OperatorTemplate]]] = {
    "corpus": corpus_search, "searxng": lambda url: web_search(searxng(url))
}  # fmt: skip
FORMS: Final = "corpus:PATH, searxng:URL, mcp:NAME=URL, web-search, wikipedia, fetch, python-session"


@contextmanager
def tools_named(specs: Iterable[str]) -> Iterator[list[OperatorTemplate]]:
    """The tools of `specs` while the block lasts (an MCP server's session ends with it). Raises UsageError for what
    names no tool."""
    with ExitStack() as servers:
        tools: list[OperatorTemplate] = []
        for spec in specs:
            name, _, place = spec.partition(":")
            if name == "mcp" and "=" in place:
                server, _, url = place.partition("=")
                connection = {server: {"transport": "streamable_http", "url": url}}
                tools += servers.enter_context(mcp_operators(connection))  # type: ignore[arg-type]  # a TypedDict union
            elif name in PLACED and place:
                tools.append(PLACED[name](place))
            elif spec in PLAIN:
                tools.append(PLAIN[spec]())
            else:
                raise UsageError(f"no tool is named {spec!r}", fix=f"known: {FORMS}")
        yield tools
