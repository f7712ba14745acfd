"""A page becomes plain text of bounded length that reads as it is shown: blocks on lines of their own, nothing of
scripts, styles and navigation. What is in it is data."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from ...errors import UsageError
from ..outcome import ToolFault
from .web import Reply

HIDDEN: Final = "script,style,noscript,template,svg,iframe,object,nav,aside,form,button,select,dialog"
BLOCKS: Final = (
    "address,article,blockquote,br,dd,div,dl,dt,fieldset,figcaption,figure,footer,h1,h2,h3,h4,h5,h6,header,hr,li,main,"
    "ol,p,pre,section,table,tr,ul"
)
CELLS: Final = "td,th"
BREAK: Final = "\x1e"
"""Stands for the edge of a block while blanks are collapsed."""
HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
TEXT: Final = re.compile(r"text/.*|application/(?:json|xml|[\w.-]+\+(?:json|xml))", re.ASCII)
DECLARED: Final = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
CHARSETS: Final = re.compile(
    r"utf-?(8|16|32)([-_][bl]e)?|ascii|iso8859-\d+|cp\d+|windows-\d+|koi8-[rut]|mac-roman|gb\w+|big5\w*|euc_\w+"
    r"|shift_jis\w*|iso2022_\w+|johab|hz",
    re.ASCII,
)
"""Charsets of text, by the names that `codecs` has for them; it knows other codecs too."""


@dataclass(frozen=True)
class Page:
    """A page as text."""

    title: str
    """Empty: it has none."""
    text: str


def read_page(reply: Reply) -> Page:
    """The text of a reply. Raises ToolFault for what is no text, UsageError where selectolax is not installed."""
    if reply.content_type in HTML:
        return _html(_decoded(reply))
    if TEXT.fullmatch(reply.content_type) and b"\0" not in reply.body[:1024]:
        return Page("", _decoded(reply).strip())
    kind = reply.content_type or "of no stated type"
    raise ToolFault(f"{reply.url[:200]} is {kind}, no text", retryable=False, fix="Give the URL of a page or text")


def _decoded(reply: Reply) -> str:
    declared = DECLARED.search(reply.body[:2048]) if reply.content_type in HTML else None
    for name in (reply.charset, declared and declared[1].decode("ascii", "replace")):
        if name and (charset := _known(name)):
            return reply.body.decode(charset, "replace")
    return reply.body.decode("utf-8-sig", "replace")


def _known(name: str) -> str | None:
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if CHARSETS.fullmatch(found) else None


def _html(source: str) -> Page:
    if find_spec("selectolax") is None:
        raise UsageError("reading web pages needs selectolax", fix="Run: pip install 'flowwright[tools]'")
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(source.replace(BREAK, " "))
    title = tree.css_first("title")
    name = _line(title.text()) if title is not None else ""
    for node in tree.css(HIDDEN):
        node.decompose()
    for node in tree.css(BLOCKS):
        node.insert_before(BREAK)
        node.insert_after(BREAK)
    for node in tree.css(CELLS):
        node.insert_after(" ")
    whole = tree.body.text() if tree.body is not None else ""
    return Page(name, "\n".join(line for part in whole.split(BREAK) if (line := _line(part))))


def _line(text: str) -> str:
    return " ".join(text.split())
