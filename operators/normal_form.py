"""Two answers have one normal form only if they say the same: numbers are compared exactly, programs by syntax tree,
lists part by part, words without case, blanks and punctuation. When in doubt the forms differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from .fences import fenced_blocks
from .quantity import read_quantity
from .source import code_digest, find_source, is_module

SAME: Final = str.maketrans(
    {"−": "-", "–": "-", "‐": "-", "‑": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'"}
)
WRAPPERS: Final = re.compile(
    r"(?P<mark>\*\*|\*|__|`|\"|'|\$\$|\$)(?P<a>[^*`\"'$]+)(?P=mark)|\\\((?P<b>.+)\\\)|\\\[(?P<c>.+)\\\]"
    r"|\\f?boxed\s*\{(?P<d>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|“(?P<e>[^”]+)”|\[\[(?P<f>[^\[\]]+)\]\]",
    re.DOTALL,
)
LATEX: Final = (
    (re.compile(r"\\[dt]frac"), r"\\frac"),
    (re.compile(r"\\(?:left|right|displaystyle)(?![a-zA-Z])"), ""),
    (re.compile(r"\\(?:text|mathrm|mathbf|mbox|textbf|operatorname)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?<=\d)(?:\\[,!]|\{,\})(?=\d{3})"), ""),
    (re.compile(r"\\[,;:! ]|~|\\quad"), " "),
    (re.compile(r" ?(?:\^ ?\{? ?\\circ ?\}?|\\degree)"), "°"),
    (re.compile(r"\\([%$€£#&_])"), r"\1"),
)
OPTION: Final = re.compile(
    r"(?:(?:option|choice)\s+)?\(?(?P<letter>[A-Ja-j])(?:[).:]|\))?|(?:(?:option|choice)\s+)?\(?(?P<told>[A-J])\)\s+\w{2}.*",
    re.IGNORECASE | re.DOTALL,
)
LISTED: Final = re.compile(r"(?P<letter>[A-J])[.:]\s+\S.*", re.DOTALL)
FORMULA: Final = re.compile(r"[\d=+*/^\\<>{}|_]|^-")
NESTED: Final = 8
"""Levels of brackets that are looked into."""
BRACKETS: Final = {"(": ")", "[": "]", "{": "}"}


def normal_forms(answers: Sequence[str]) -> list[str]:
    """The normal form of each answer to one question. Taken together because two things show only there: a unit may be
    dropped when no answer has another one, and `B. Paris` means option B when another answer is just `B`."""
    forms = [_form(answer) for answer in answers]
    quantities = [read_quantity(clean(answer)) for answer in answers]
    if len({quantity.unit for quantity in quantities if quantity and quantity.unit}) < 2:
        forms = [str(quantity.value) if quantity else form for quantity, form in zip(quantities, forms, strict=True)]
    listed = [LISTED.fullmatch(clean(answer)) for answer in answers]
    return [
        found["letter"].lower() if found and found["letter"].lower() in forms else form
        for found, form in zip(listed, forms, strict=True)
    ]


def same_answer(one: str, other: str) -> bool:
    """Whether two answers to one question say the same."""
    first, second = normal_forms([one, other])
    return first == second


def clean(answer: str) -> str:
    """`answer` without the wrapping that says nothing: quotes, emphasis, math delimiters, `\\boxed`, LaTeX spacing and
    a closing full stop."""
    text = answer.translate(SAME).strip()
    while True:
        bare = text.rstrip(".,;").strip() if len(text) > 1 else text
        wrapped = WRAPPERS.fullmatch(bare)
        inner = next((part for part in wrapped.group("a", "b", "c", "d", "e", "f") if part), "") if wrapped else bare
        for pattern, replacement in LATEX:
            inner = pattern.sub(replacement, inner)
        if (inner := inner.strip() or bare) == text:
            return text
        text = inner


def _form(answer: str, nesting: int = 0) -> str:
    code = _code_form(answer)
    if code:
        return code
    text = clean(answer)
    quantity = read_quantity(text)
    if quantity:
        return str(quantity)
    option = OPTION.fullmatch(text)
    if option:
        return (option["letter"] or option["told"]).lower()
    return _list_form(text, nesting) or (_compact(text) if FORMULA.search(text) else _words(text)) or answer.strip()


def _code_form(answer: str) -> str | None:
    code = find_source(answer).code if fenced_blocks(answer) else answer if is_module(answer) else ""
    found = code_digest(code) if code else None
    return f"code:{found}" if found else None


def _list_form(text: str, nesting: int) -> str | None:
    """`(1, 2.0)` as `(1,2)`: the parts of a bracketed list, each in normal form, in the same brackets and order."""
    closing = BRACKETS.get(text[:1])
    if closing is None or not text.endswith(closing) or nesting > NESTED:
        return None
    cuts, depth = [0], 0
    for at, char in enumerate(text[1:-1], start=1):
        depth += (char in BRACKETS) - (char in BRACKETS.values())
        if depth < 0:
            return None
        if char == "," and not depth:
            cuts.append(at)
    if len(cuts) < 2 or depth:
        return None
    parts = [_form(text[start + 1 : end], nesting + 1) for start, end in pairwise([*cuts, len(text) - 1])]
    return f"{text[0]}{','.join(parts)}{closing}"


def _compact(text: str) -> str:
    return "".join(text.casefold().split())


def _words(text: str) -> str:
    spaced = "".join(" " if char in "-/\u2014" else char for char in text.casefold())
    kept = "".join(char for char in spaced if char.isalnum() or char.isspace())
    words = kept.split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in {"a", "an", "the"} else words) or _compact(text)
