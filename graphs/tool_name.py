"""A tool is named by the exact name in the registry; what a model wrote around it is trimmed and told, and nothing that
is not the name of one tool is taken for it."""

from __future__ import annotations

import re
from typing import Final

from ..operators.registry import Registry
from .faults import Fault, fault

AROUND: Final = "`'\"*_ \t\r\n.,;:!?()[]{}<>-•"
NUMBERED: Final = re.compile(r"\A\d{1,2}[.)]\s+")
BETWEEN: Final = re.compile(r"[\s_-]+")


def resolve_tool(written: str, registry: Registry) -> str | None:
    """The registry's name for what was written: case, blanks, underscores, hyphens, quotes and punctuation around it do
    not matter, nor does a remark in parentheses. None: it names no tool, or as much one as another."""
    if written in registry:
        return written
    for one in (written, written.partition("(")[0]):
        meant = [name for name in registry if _plain(one) and _plain(name) == _plain(one)]
        if len(meant) == 1:
            return meant[0]
    return None


def unknown_tool(written: str, registry: Registry, where: str) -> Fault:
    """The fault of naming no tool: with the nearest names, and with all of them."""
    near = registry.nearest(written)
    meant = f"did you mean {near[0]}? " if near else ""
    return fault(
        "policy", "unknown_tool", f"{where}: no tool {written[:80]!r}", expected=f"{meant}one of {', '.join(registry)}"
    )


def _plain(name: str) -> str:
    bare = NUMBERED.sub("", name.strip(AROUND)).strip(AROUND)
    return BETWEEN.sub("", bare).casefold()
