"""The reference functions: what a right submission returns is what these return, on every input a task can draw."""

from __future__ import annotations

from typing import Any


def count_vowels(text: str) -> int:
    """Vowels of either case."""
    return sum(1 for character in text.lower() if character in "aeiou")


def is_palindrome(text: str) -> bool:
    """Ignores everything but letters and digits."""
    kept = [character.lower() for character in text if character.isalnum()]
    return kept == kept[::-1]


def run_lengths(text: str) -> str:
    """`aab` is `a2b1`."""
    out: list[str] = []
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or text[end] != text[start]:
            out.append(f"{text[start]}{end - start}")
            start = end
    return "".join(out)


def second_largest(values: list[int]) -> int | None:
    """Among distinct values."""
    distinct = sorted(set(values))
    return distinct[-2] if len(distinct) > 1 else None


def rotate_right(items: list[int], k: int) -> list[int]:
    """k may exceed the length."""
    shift = k % len(items) if items else 0
    return items[len(items) - shift :] + items[: len(items) - shift]


def greatest_common_divisor(a: int, b: int) -> int:
    """0 for two zeros."""
    while b:
        a, b = b, a % b
    return a


def is_prime(n: int) -> bool:
    """Numbers below 2 are not prime."""
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def digit_sum(n: int) -> int:
    """Of the absolute value."""
    return sum(int(digit) for digit in str(abs(n)))


def chunks(items: list[int], size: int) -> list[list[int]]:
    """The last may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def unique(items: list[int]) -> list[int]:
    """First occurrences, in order."""
    return list(dict.fromkeys(items))


def balanced(text: str) -> bool:
    """Round, square and curly brackets, properly nested."""
    closing = {")": "(", "]": "[", "}": "{"}
    stack: list[str] = []
    for character in text:
        if character in closing.values():
            stack.append(character)
        elif character in closing and (not stack or stack.pop() != closing[character]):
            return False
    return not stack


def merge_sorted(left: list[int], right: list[int]) -> list[int]:
    """Duplicates stay."""
    return sorted([*left, *right])


def caesar(text: str, k: int) -> str:
    """Letters move k places and keep their case; the rest stays."""
    out: list[str] = []
    for character in text:
        if character.isascii() and character.isalpha():
            first = ord("a") if character.islower() else ord("A")
            out.append(chr((ord(character) - first + k) % 26 + first))
        else:
            out.append(character)
    return "".join(out)


def longest_streak(items: list[int]) -> int:
    """Length of the longest run of equal neighbours; 0 for an empty list."""
    best = length = 0
    previous: Any = None
    for position, item in enumerate(items):
        length = length + 1 if position and item == previous else 1
        best, previous = max(best, length), item
    return best
