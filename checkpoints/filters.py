"""A metadata filter names only keys from a fixed set: no caller's text becomes part of a query (CVE-2025-67644)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UsageError

FILTER_KEYS = frozenset({"source", "step", "run_id"})  # what LangGraph itself writes into metadata and is not nested

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


def allowed_keys(extra: Iterable[str]) -> frozenset[str]:
    """The default keys and `extra` ones. Raises UsageError for a name that is not a plain identifier."""
    extra = frozenset(extra)
    for key in sorted(extra):
        if not _PLAIN.fullmatch(key):
            raise UsageError(f"{key!r} cannot be a metadata filter key", fix="Use letters, digits and underscores")
    return FILTER_KEYS | extra


def check_filter(given: Mapping[str, Any] | None, allowed: frozenset[str]) -> None:
    """Raises UsageError for a key outside `allowed`; None filters nothing."""
    for key in given or {}:
        if key not in allowed:
            raise UsageError(
                f"checkpoints cannot be filtered by {key!r}",
                fix=f"Filter by {', '.join(sorted(allowed))}, or pass the name in filter_keys when opening",
            )
