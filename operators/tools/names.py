"""What a stranger calls a tool, and what it says of it, becomes one bounded line of plain characters: it cannot open or
close a section of a prompt. Two tools never share a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from ...errors import UsageError
from ..template import OperatorTemplate

LONGEST_NAME: Final = 64
NAME: Final = re.compile(rf"[A-Z][A-Z0-9_]{{0,{LONGEST_NAME - 1}}}")
HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
TAG: Final = re.compile(r"<(?=[/!?]?[A-Za-z])")
INVISIBLE: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def operator_name(own: str, given: str | None = None) -> str:
    """The operator's name: `given` if there is one, else a tool's `own` name in UPPER_SNAKE_CASE.

    Raises UsageError where no name of at most 64 letters, digits and underscores that starts with a letter comes of it.
    """
    name = given if given is not None else _upper_snake(own)
    if NAME.fullmatch(name):
        return name
    told = f"the tool {one_line(own, LONGEST_NAME)!r} cannot be called {one_line(name, LONGEST_NAME)!r}"
    raise UsageError(told, fix=f"Pass name=...: upper case, digits and underscores, at most {LONGEST_NAME} characters")


def distinct(operators: Iterable[tuple[OperatorTemplate, str]]) -> list[OperatorTemplate]:
    """The operators of pairs of an operator and its origin, in order. Raises UsageError if two have one name, with the
    origins of both."""
    origins: dict[str, str] = {}
    kept = []
    for operator, origin in operators:
        if operator.name in origins:
            both = f"{origins[operator.name]} and {origin}"
            raise UsageError(f"two tools would be called {operator.name}: {both}", fix="Rename or leave out one")
        origins[operator.name] = origin
        kept.append(operator)
    return kept


def one_line(text: str, limit: int) -> str:
    """`text` in at most `limit` characters on one line, without control or formatting characters, and with a backslash
    after each `<` that could begin a tag."""
    seen = "".join(" " if char.isspace() else char for char in text if char.isspace() or _visible(char))
    line = TAG.sub(r"<\\", " ".join(seen.split()))
    return line if len(line) <= limit else f"{line[: limit - 4].rstrip()} ..."


def _visible(char: str) -> bool:
    return unicodedata.category(char) not in INVISIBLE


def _upper_snake(own: str) -> str:
    plain = unicodedata.normalize("NFKD", HUMP.sub("_", own)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_").upper()
