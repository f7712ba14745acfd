"""Prices are data (`prices.toml`, USD per million tokens): a model not listed has no price, never a guessed one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

Price = tuple[float, float]
"""USD per million prompt tokens, USD per million completion tokens."""

FREE: Price = (0.0, 0.0)
_RELEASE = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


def price_of(model: str, overrides: Mapping[str, Price] | None = None) -> Price | None:
    """The price of `model`: first by its full name, then without its organisation and its release date. None: unknown.
    `overrides` (None: none) wins over the table."""
    table = _table() | dict(overrides or {})
    short = model.rpartition("/")[2]
    for name in (model, short, _RELEASE.sub("", short)):
        if name in table:
            return table[name]
    return None


@cache
def _table() -> dict[str, Price]:
    data = tomllib.loads(files(__package__).joinpath("prices.toml").read_text("utf-8"))
    return {name: (float(entry["in"]), float(entry["out"])) for name, entry in data.items()}
