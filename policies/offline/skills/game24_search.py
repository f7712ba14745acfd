"""The search for 24 is exhaustive: where it finds nothing there is nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, islice
from typing import Final

TARGET: Final = 24
KEPT: Final = 3
"""Solutions of one set of numbers that are told apart."""
Made = tuple["Made | int", str, "Made | int"]
"""An expression: left, operator, right."""
Item = tuple[int, int, Made | int]
"""Numerator, denominator (neither reduced) and the expression that has this value."""


@lru_cache(maxsize=4096)
def solutions(numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Up to KEPT expressions that make 24; empty: there are none."""
    return tuple(islice(dict.fromkeys(_reaching(numbers, TARGET)), KEPT))


@lru_cache(maxsize=4096)
def mistakes(numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Expressions that a hurried solver would give: one number repeated in place of another, one left out, and a value
    beside 24. Never empty, never right."""
    wrong: list[str] = []
    for position, dropped in enumerate(numbers):
        rest = numbers[:position] + numbers[position + 1 :]
        twice = next((one for one in rest if one != dropped), None)
        wrong += [] if twice is None else islice(_reaching((*rest, twice), TARGET), 1)
        wrong += islice(_reaching(rest, TARGET), 1)
        if len(wrong) >= KEPT:
            break
    for beside in (TARGET - 1, TARGET + 1, TARGET - 2, TARGET + 2):
        wrong += islice(_reaching(numbers, beside), 1)
        if len(wrong) > KEPT:
            break
    return tuple(wrong) or (" + ".join(map(str, (*numbers, numbers[0]))),)


def _reaching(numbers: tuple[int, ...], target: int) -> Iterator[str]:
    items: list[Item] = [(number, 1, number) for number in sorted(numbers, reverse=True)]
    return (_text(made)[1:-1] for made in _made(items, target, set()))


def _made(items: list[Item], target: int, seen: set[tuple[tuple[int, int], ...]]) -> Iterator[Made]:
    """Expressions over all `items` that come to `target`, two items joined at a time. Sets of values met before are
    skipped: they lead nowhere new."""
    if len(items) == 2:
        (a, b, x), (c, d, y) = items
        scaled = target * b * d
        hits = (("*", a * c), ("+", a * d + c * b), ("-", a * d - c * b))
        yield from ((x, sign, y) for sign, top in hits if top == scaled)
        if c * b - a * d == scaled:
            yield y, "-", x
        if c and a * d == target * b * c:
            yield x, "/", y
        if a and c * b == target * d * a:
            yield y, "/", x
        return
    state = tuple(sorted((top, bottom) for top, bottom, _ in items))
    if state not in seen:
        seen.add(state)
        for first, second in combinations(range(len(items)), 2):
            rest = [items[k] for k in range(len(items)) if k not in (first, second)]
            for joined in _joined(items[first], items[second]):
                yield from _made([joined, *rest], target, seen)


def _joined(left: Item, right: Item) -> Iterator[Item]:
    (a, b, x), (c, d, y) = left, right
    yield a * c, b * d, (x, "*", y)
    yield a * d + c * b, b * d, (x, "+", y)
    yield a * d - c * b, b * d, (x, "-", y)
    yield c * b - a * d, b * d, (y, "-", x)
    if c:
        yield a * d, b * c, (x, "/", y)
    if a:
        yield c * b, d * a, (y, "/", x)


def _text(made: Made | int) -> str:
    return str(made) if isinstance(made, int) else f"({_text(made[0])} {made[1]} {_text(made[2])})"
