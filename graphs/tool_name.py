"""A tool is named by the exact name in the registry; what a model wrote around it is trimmed and told, and nothing that
is not the name of one tool is taken for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..operators.registry import Registry
from .faults import Fault, fault

AROUND: Final = "`'\"*_ \t.,;:!?()[]{}<>-•"


def resolve_tool(written: str, registry: Registry) -> str | None:
    """The registry's name for what was written: case, blanks, underscores, quotes and punctuation around it do not
    matter, nor does a remark in parentheses. None: it names no tool."""
    if written in registry:
        return written
    names = {_plain(name): name for name in registry}
    head = written.partition("(")[0]
    return next((names[_plain(one)] for one in (written, head) if _plain(one) in names), None)


def unknown_tool(written: str, registry: Registry, where: str) -> Fault:
    """The fault of naming no tool: with the nearest names, and with all of them."""
    near = registry.nearest(written)
    meant = f"did you mean {near[0]}? " if near else ""
    return fault(
        "policy", "unknown_tool", f"{where}: no tool {written[:80]!r}", expected=f"{meant}one of {', '.join(registry)}"
    )


def _plain(name: str) -> str:
    bare = name.strip(AROUND)
    return "".join(_words(bare)).casefold()


def _words(name: str) -> Iterable[str]:
    return name.lstrip("0123456789.) ").replace("_", " ").split()
