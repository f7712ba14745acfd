"""Memory is append-only: an entry's key is `name@version`, assigned by the runtime, and never used twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from typing_extensions import TypedDict

from ..operators.outcome import Outcome, OutcomeKind
from .operation import Planned

PROBLEM: Final = "problem@1"
ALIASES: Final = {"original_problem": "problem"}
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")


class Entry(TypedDict):
    """One thing the run knows, with its provenance."""

    key: str
    at: list[int]
    """[turn, index]: place in the run; operations count from 1, what no operation made stands around them."""
    kind: OutcomeKind | str
    """An outcome's kind, or `task`, `conversation`, `analysis`, `summary`, `verdict` for what no operation made."""
    by: str
    """Operator that made it, or `user`, `summarizer`, `verifier`."""
    operation: str | None
    """Id of the operation; None: none made it."""
    inputs: list[str]
    """Keys it was made from, exact versions."""
    content: str
    answer: str | None
    """Final answer found in it; None: it carries none."""
    verdict: str | None
    """Of a review; None: not a review, or one without a verdict."""
    passed: bool | None
    """Of a test; None: not a test, or nothing was asserted."""
    data: dict[str, Any]


def entry(key: str, kind: str, by: str, content: str, at: list[int]) -> Entry:
    """An entry that no operation made."""
    return Entry(
        key=key, at=at, kind=kind, by=by, operation=None, inputs=[], content=content, answer=None, verdict=None,
        passed=None, data={},
    )  # fmt: skip


def entry_of(outcome: Outcome, planned: Planned) -> Entry:
    """The memory entry of an operation's outcome."""
    return Entry(
        key=planned["output"], at=planned["at"], kind=outcome.kind, by=planned["operator"], operation=planned["id"],
        inputs=planned["inputs"], content=outcome.content, answer=outcome.answer, verdict=outcome.verdict,
        passed=outcome.passed, data=outcome.data,
    )  # fmt: skip


def name_of(key: str) -> str:
    """`draft` of `draft@2`."""
    return key.partition("@")[0]


class Memory:
    """Reads of the entries of one run. Lookups go through plain dictionaries: a key that a model wrote is never
    taken as a path, an attribute or a pattern."""

    def __init__(self, entries: Sequence[Entry], reserved: Iterable[str] = ()) -> None:
        """`reserved` are keys handed out to operations that gave nothing (failed, or still running)."""
        self.entries = entries
        self._by_key = {one["key"]: one for one in entries}
        self._latest = {name_of(one["key"]): one["key"] for one in entries}
        self._highest: dict[str, int] = {}
        for key in (*self._by_key, *reserved):
            name, _, version = key.partition("@")
            self._highest[name] = max(self._highest.get(name, 0), int(version))

    def __getitem__(self, key: str) -> Entry:
        """The entry under an exact key."""
        return self._by_key[key]

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def resolve(self, reference: str) -> str | None:
        """Exact key for what a designer wrote: `draft` (latest), `draft@1`, `<<draft>>`, `original_problem`.
        None: there is no such entry."""
        wanted = reference.strip().removeprefix("<<").removesuffix(">>").strip()
        wanted = ALIASES.get(wanted, wanted)
        return wanted if wanted in self._by_key else self._latest.get(wanted)

    def next_key(self, name: str) -> str:
        """The key the next entry called `name` gets."""
        return f"{name}@{self._highest.get(name, 0) + 1}"
