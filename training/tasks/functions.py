"""A submission is right when it passes hidden tests in the sandbox; the examples in the question are not enough."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final

from . import reference
from .task import Difficulty, TaskFamily

EXAMPLES: Final = 3
"""Example assertions in a question."""
HIDDEN: Final = 8
"""Random hidden cases of a task, beside the edge cases."""
_QUESTION: Final = "Write a Python function `{name}({parameters})` that {prose}\n\nExamples:\n{examples}"
_HEAD: Final = re.compile(
    r"Write a Python function `([a-z_]\w*)\([\w, ]*\)` that ([^\n]+)\n\nExamples:\n(?:assert [^\n]+\n)+"
)
_FENCE: Final = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Spec:
    """A function to be written: its description and what draws inputs for it."""

    difficulty: Difficulty
    solution: Callable[..., Any]
    names: tuple[str, ...]
    parameters: str
    prose: str
    draw: Callable[[Random], Arguments]
    edges: tuple[Arguments, ...]
    """Inputs that are always among the hidden tests."""


def _letters(rng: Random, alphabet: str, most: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(3, most)))


def _numbers(rng: Random, low: int = -9, high: int = 20, least: int = 3, most: int = 8) -> list[int]:
    return [rng.randint(low, high) for _ in range(rng.randint(least, most))]


def _mirrored(rng: Random) -> str:
    half = _letters(rng, "abcxyz", 5)
    whole = half + half[::-1] if rng.random() < 0.6 else half
    return whole.capitalize() if rng.random() < 0.5 else whole


SPECS: Final = (
    Spec("easy", reference.count_vowels, ("count_vowels", "vowel_total"), "text",
         "returns how many vowels (a, e, i, o, u, in either case) the string `text` contains.",
         lambda rng: (_letters(rng, "aeioubcdfgxyz ", 12),), (("",), ("AEIOU",), ("Xyz",))),
    Spec("hard", reference.is_palindrome, ("is_palindrome", "reads_both_ways"), "text",
         "returns True if the string `text` reads the same forwards and backwards once case is ignored and everything "
         "but letters and digits is dropped, and False otherwise.",
         lambda rng: (_mirrored(rng),), (("",), ("A man, a plan, a canal: Panama",), ("ab",), ("No, on",))),
    Spec("hard", reference.run_lengths, ("run_lengths", "encode_runs"), "text",
         "returns the run-length encoding of the string `text`: each run of equal characters is written as the "
         "character followed by the length of the run.",
         lambda rng: (_letters(rng, "aab", 9),), (("",), ("z",), ("aaaaaaaaaaaa",), ("aabbb",))),
    Spec("hard", reference.second_largest, ("second_largest", "runner_up"), "values",
         "returns the second largest distinct value of the list `values`, or None if there are fewer than two "
         "distinct values.",
         lambda rng: (_numbers(rng),), (([],), ([5],), ([7, 7],), ([7, 7, 3],), ([-1, -2],))),
    Spec("easy", reference.rotate_right, ("rotate_right", "turn_right"), "items, k",
         "returns the list `items` rotated to the right by `k` places; `k` is not negative and may be larger than the "
         "length, and an empty list stays empty.",
         lambda rng: (_numbers(rng), rng.randint(0, 3)), (([], 3), ([1, 2, 3], 7), ([1, 2], 0), ([4, 5, 6], 3))),
    Spec("easy", reference.greatest_common_divisor, ("common_divisor", "shared_factor"), "a, b",
         "returns the greatest common divisor of the non-negative integers `a` and `b`; it is 0 if both are 0.",
         lambda rng: (rng.randint(2, 90), rng.randint(2, 90)), ((0, 0), (0, 5), (7, 0), (12, 18))),
    Spec("hard", reference.is_prime, ("is_prime", "has_no_divisor"), "n",
         "returns True if the integer `n` is a prime number and False otherwise.",
         lambda rng: (rng.randint(5, 120),), ((-3,), (0,), (1,), (2,), (25,), (49,), (97,))),
    Spec("easy", reference.digit_sum, ("digit_sum", "add_digits"), "n",
         "returns the sum of the decimal digits of the integer `n`, ignoring its sign.",
         lambda rng: (rng.randint(10, 99999),), ((0,), (-45,), (1000,))),
    Spec("easy", reference.chunks, ("chunks", "split_evenly"), "items, size",
         "splits the list `items` into consecutive lists of `size` elements and returns them; the last one may be "
         "shorter.",
         lambda rng: (_numbers(rng), rng.randint(1, 4)), (([], 2), ([1, 2, 3], 2), ([1], 5))),
    Spec("easy", reference.unique, ("unique", "without_repeats"), "items",
         "returns the list `items` without repeated values, keeping the first occurrence of each in order.",
         lambda rng: (_numbers(rng, 0, 5),), (([],), ([3, 1, 3, 2, 1],), ([9, 9],))),
    Spec("hard", reference.balanced, ("balanced", "brackets_match"), "text",
         "returns True if every bracket in the string `text` — round, square or curly — is closed by its own kind in "
         "the right order, and False otherwise; other characters are ignored.",
         lambda rng: (_letters(rng, "()[]", 6),), (("",), ("(]",), ("([)]",), ("((",), ("{a[b](c)}",), (")",))),
    Spec("easy", reference.merge_sorted, ("merge_sorted", "join_sorted"), "left, right",
         "merges the two ascending lists `left` and `right` into one ascending list that keeps every element.",
         lambda rng: (sorted(_numbers(rng)), sorted(_numbers(rng))), (([], []), ([1], []), ([1, 1], [1]))),
    Spec("hard", reference.caesar, ("caesar", "shift_letters"), "text, k",
         "shifts every letter a-z and A-Z of the string `text` forward by `k` places in the alphabet, wrapping around "
         "and keeping its case, and leaves all other characters as they are; `k` may be negative or above 26.",
         lambda rng: (_letters(rng, "abcdefg", 7), rng.randint(1, 9)),
         (("", 4), ("xyz", 3), ("Hello, World!", 5), ("abc", -1), ("Zz", 27))),
    Spec("hard", reference.longest_streak, ("longest_streak", "longest_run"), "items",
         "returns the length of the longest run of equal neighbouring values in the list `items`, and 0 if it is "
         "empty.",
         lambda rng: (_numbers(rng, 0, 2, 4, 9),), (([],), ([4],), ([1, 2, 2, 2],), ([0, 0, 1],))),
)  # fmt: skip


class Functions(TaskFamily):
    """Small pure functions, described in prose with example assertions."""

    name: ClassVar[str] = "functions"

    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, str]:
        """Easy: one idea; hard: with edge cases that a first attempt tends to miss."""
        spec = rng.choice([one for one in SPECS if one.difficulty == difficulty])
        name = rng.choice(spec.names)
        examples = [_assertion(spec, name, spec.draw(rng)) for _ in range(EXAMPLES)]
        question = _QUESTION.format(
            name=name, parameters=spec.parameters, prose=spec.prose, examples="\n".join(examples)
        )
        return question, _source(spec, name)

    def gold_of(self, question: str) -> dict[str, Any] | None:
        """Name and hidden tests, where one of the described functions is asked for. The tests depend on the question,
        and equal questions have equal ones."""
        match = _HEAD.fullmatch(question.strip() + "\n")
        spec = next((one for one in SPECS if one.prose == match[2].strip()), None) if match else None
        if match is None or spec is None:
            return None
        rng = Random(f"hidden:{question.strip()}")
        cases = (*spec.edges, *(spec.draw(rng) for _ in range(HIDDEN)))
        hidden = [_assertion(spec, match[1], case) for case in cases]
        return {"entry_point": match[1], "tests": "\n".join(hidden) + "\n"}

    def passes(self, gold: Mapping[str, Any], answer_text: str) -> bool:
        """Whether the code in the answer passes the hidden tests. Needs a sandbox: raises SandboxUnavailable where
        there is none."""
        from ...operators.sandbox import open_sandbox

        verdict = open_sandbox().check(code_in(answer_text), gold["tests"], entry_point=gold["entry_point"])
        return verdict.status == "passed"


def code_in(answer_text: str) -> str:
    """The last fenced block; without one, the whole text."""
    blocks = _FENCE.findall(answer_text)
    return blocks[-1] if blocks else answer_text


def _assertion(spec: Spec, name: str, arguments: Arguments) -> str:
    expected = spec.solution(*arguments)
    call = f"{name}({', '.join(map(repr, arguments))})"
    return f"assert {call} {'is' if expected is None or isinstance(expected, bool) else '=='} {expected!r}"


def _source(spec: Spec, name: str) -> str:
    source = textwrap.dedent(inspect.getsource(spec.solution)).replace("Any", "object")
    return f"```python\n{source.replace(f'def {spec.solution.__name__}(', f'def {name}(')}```"
