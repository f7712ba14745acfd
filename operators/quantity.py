"""A number is read exactly, as a fraction, from however it is written; text that is more than one number with one unit
is no quantity, and no text can make reading it slow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

LONGEST: Final = 120
"""Characters of the longest text that is read as a quantity."""

_PLAIN: Final = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)"
_POWER: Final = r"(?:[eE](?P<e>[+-]?\d{1,3})|\s*(?:\\times|\\cdot|×|\*)\s*10\s*\^\s*\{?(?P<ten>[+-]?\d{1,3})\}?)"
DECIMAL: Final = re.compile(rf"(?P<number>{_PLAIN}){_POWER}?")
RATIO: Final = re.compile(rf"(?:(?P<whole>\d+)\s+)?(?P<over>{_PLAIN})\s*/\s*(?P<under>{_PLAIN})")
FRAC: Final = re.compile(
    rf"(?P<whole>\d+)?\s*\\frac\s*(?:\{{\s*(?P<over>-?{_PLAIN})\s*\}}|(?P<o>\d))"
    rf"\s*(?:\{{\s*(?P<under>{_PLAIN})\s*\}}|(?P<u>\d))"
)
UNIT: Final = re.compile(r"(?:°\s?[A-Za-z]*|[A-Za-z]{2,})(?:[ /\-][A-Za-z]+){0,3}(?:\s*\^\s*\{?[23]\}?|²|³)?")
GLUED: Final = re.compile(r"°.*|[kcmn]m|[km]g|m[ls]|[kmg]?hz|[kmgt]b|ft|lbs?|oz|mph|kmh|min|hrs?|sec")
"""Units that may follow a number without a blank. Other letters there are more likely variables, as in `2xy`."""
SYNONYMS: Final = {"dollar": "$", "usd": "$", "euro": "€", "eur": "€", "degree": "°"}
SCALES: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
PERCENT: Final = re.compile(r"%|percent\b|per\s+cent\b", re.IGNORECASE)
NO_UNITS: Final = re.compile(
    r"pi|[ap]m|ad|b?ce?|or|and|to|if|when|mod|plus|minus|times|factorial|is|are|st|nd|rd|th|sqrt|log|ln|sin|cos|tan"
)
"""Words after a number that make it another value, or that say there is more than one."""


@dataclass(frozen=True)
class Quantity:
    """A number with its unit."""

    value: Fraction
    unit: str = ""
    """Lower case, singular; empty: none is given."""

    def __str__(self) -> str:
        return f"{self.value} {self.unit}".strip()


def read_quantity(text: str) -> Quantity | None:
    """The quantity that `text` as a whole is, or None. Understands signs, thousands separators, decimals, `3/4`,
    `1 1/2`, `\\frac{3}{4}`, powers of ten, percent (as hundredths), scale words, a currency sign and a unit."""
    if len(text) > LONGEST:
        return None
    rest = re.sub(r"^[A-Za-z]\w{0,2}\s*=\s*(?=[^=])", "", text.strip())
    sign, rest = (-1, rest[1:].lstrip()) if rest.startswith("-") else (1, rest.removeprefix("+").lstrip())
    currency = re.match(r"(?:US)?([$€£¥])\s*", rest)
    if currency:
        rest = rest[currency.end() :]
        if rest.startswith("-") and sign == 1:
            sign, rest = -1, rest[1:]
    number = _number(rest)
    if number is None:
        return None
    value, end = number
    scale, unit = _scale(rest[end:])
    if unit is None or (currency and unit):
        return None
    return Quantity(sign * value * scale, currency[1] if currency else unit)


def _number(text: str) -> tuple[Fraction, int] | None:
    for pattern in (FRAC, RATIO):
        found = pattern.match(text)
        if found:
            groups = found.groupdict()
            over, under = groups["over"] or groups["o"], groups["under"] or groups["u"]
            if not _exact(under):
                return None
            whole = int(groups["whole"] or 0)
            return whole + _exact(over) / _exact(under), found.end()
    found = DECIMAL.match(text)
    if found is None:
        return None
    power = int(found["e"] or found["ten"] or 0)
    return _exact(found["number"]) * Fraction(10) ** power, found.end()


def _exact(number: str) -> Fraction:
    return Fraction(number.replace(",", "").rstrip("."))


def _scale(rest: str) -> tuple[Fraction, str | None]:
    """Factor and unit that follow a number; unit None: what follows makes it no quantity."""
    glued, rest = not rest[:1].isspace(), rest.strip()
    percent = PERCENT.match(rest)
    factor = Fraction(1, 100) if percent else Fraction(1)
    rest = rest[percent.end() :].strip() if percent else rest
    word, _, behind = rest.partition(" ")
    if word.lower() in SCALES:
        factor, rest = factor * SCALES[word.lower()], behind.strip()
    return factor, _unit(rest, glued=glued and not percent)


def _unit(text: str, *, glued: bool) -> str | None:
    if not text:
        return ""
    first = re.split(r"[\s/^²³\-]", text, maxsplit=1)[0].lower()
    allowed = GLUED.fullmatch(first) if glued else not NO_UNITS.fullmatch(first)
    if not allowed or not UNIT.fullmatch(text):
        return None
    unit = re.sub(r"\s*\^\s*\{?([23])\}?", r"^\1", text.lower().replace("²", "^2").replace("³", "^3"))
    unit = re.sub(r"(?<=[a-z]{3})s$", "", unit)
    return SYNONYMS.get(unit, unit)
