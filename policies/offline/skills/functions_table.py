"""What the offline models know how to program: for each description one right body, and bodies that miss something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Known:
    """One function. Sources call it NAME and hold the text after its `def` line."""

    prose: str
    """The description that asks for it, word for word."""
    hard: bool
    idea: str
    right: str
    wrong: tuple[str, ...]
    edges: tuple[str, ...]
    """Assertions about cases that are easily missed."""


TABLE: Final = (
    Known(
        "returns how many vowels (a, e, i, o, u, in either case) the string `text` contains.",
        False,
        "Compare each lower-case character with the five vowels.",
        'return sum(1 for one in text.lower() if one in "aeiou")',
        (
            'return sum(1 for one in text if one in "aeiou")',
            'return sum(1 for one in text.lower() if one in "aeio")',
            "return sum(1 for one in text.lower() if one in 'aeiouy')",
        ),
        ('assert NAME("AEIOU") == 5', 'assert NAME("xyz") == 0'),
    ),
    Known(
        "returns True if the string `text` reads the same forwards and backwards once case is ignored and everything "
        "but letters and digits is dropped, and False otherwise.",
        True,
        "Keep letters and digits in lower case, then compare with the reverse.",
        "kept = [one.lower() for one in text if one.isalnum()]\nreturn kept == kept[::-1]",
        (
            "kept = text.lower()\nreturn kept == kept[::-1]",
            "kept = [one for one in text if one.isalnum()]\nreturn kept == kept[::-1]",
        ),
        ('assert NAME("A man, a plan, a canal: Panama") is True', 'assert NAME("ab") is False'),
    ),
    Known(
        "returns the run-length encoding of the string `text`: each run of equal characters is written as the "
        "character followed by the length of the run.",
        True,
        "Group equal neighbours and write each group with its length.",
        'from itertools import groupby\n\nreturn "".join(f"{one}{len(list(run))}" for one, run in groupby(text))',
        (
            'out, length = "", 0\nfor place, one in enumerate(text):\n    length += 1\n'
            '    if place + 1 < len(text) and text[place + 1] != one:\n        out += f"{one}{length}"\n'
            "        length = 0\nreturn out",
            'return "".join(f"{one}{text.count(one)}" for one in dict.fromkeys(text))',
        ),
        ('assert NAME("") == ""', 'assert NAME("aab") == "a2b1"', 'assert NAME("aba") == "a1b1a1"'),
    ),
    Known(
        "returns the second largest distinct value of the list `values`, or None if there are fewer than two distinct "
        "values.",
        True,
        "Sort the distinct values and take the last but one.",
        "distinct = sorted(set(values))\nreturn distinct[-2] if len(distinct) > 1 else None",
        (
            "return sorted(values)[-2] if len(values) > 1 else None",
            "distinct = sorted(set(values))\nreturn distinct[-2]",
        ),
        ("assert NAME([7, 7]) is None", "assert NAME([7, 7, 3]) == 3", "assert NAME([]) is None"),
    ),
    Known(
        "returns the list `items` rotated to the right by `k` places; `k` is not negative and may be larger than the "
        "length, and an empty list stays empty.",
        False,
        "Reduce k by the length, then move the last k items to the front.",
        "if not items:\n    return []\ncut = len(items) - k % len(items)\nreturn items[cut:] + items[:cut]",
        (
            "return items[-k:] + items[:-k]",
            "if not items:\n    return []\nreturn items[k % len(items):] + items[:k % len(items)]",
            "cut = len(items) - k % len(items)\nreturn items[cut:] + items[:cut]",
        ),
        ("assert NAME([1, 2, 3], 7) == [3, 1, 2]", "assert NAME([], 3) == []"),
    ),
    Known(
        "returns the greatest common divisor of the non-negative integers `a` and `b`; it is 0 if both are 0.",
        False,
        "Replace the pair by the smaller number and the remainder until that is 0.",
        "while b:\n    a, b = b, a % b\nreturn a",
        (
            "return max(d for d in range(1, min(a, b) + 1) if a % d == 0 and b % d == 0)",
            "while b > 1:\n    a, b = b, a % b\nreturn a",
        ),
        ("assert NAME(0, 5) == 5", "assert NAME(0, 0) == 0"),
    ),
    Known(
        "returns True if the integer `n` is a prime number and False otherwise.",
        True,
        "Reject numbers below 2, then try every divisor up to the square root.",
        "return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))",
        (
            "return all(n % d for d in range(2, int(abs(n) ** 0.5) + 1))",
            "return n > 1 and all(n % d for d in range(2, int(n**0.5)))",
        ),
        ("assert NAME(1) is False", "assert NAME(49) is False", "assert NAME(2) is True"),
    ),
    Known(
        "returns the sum of the decimal digits of the integer `n`, ignoring its sign.",
        False,
        "Write the absolute value as text and add the digits.",
        "return sum(int(digit) for digit in str(abs(n)))",
        (
            "return sum(int(digit) for digit in str(n))",
            "total = 0\nwhile n > 9:\n    total, n = total + n % 10, n // 10\nreturn total",
        ),
        ("assert NAME(-45) == 9", "assert NAME(0) == 0"),
    ),
    Known(
        "splits the list `items` into consecutive lists of `size` elements and returns them; the last one may be "
        "shorter.",
        False,
        "Step through the list by size and slice.",
        "return [items[start:start + size] for start in range(0, len(items), size)]",
        (
            "return [items[start:start + size] for start in range(0, len(items) - size + 1, size)]",
            "return [items[start:start + size] for start in range(0, len(items) - 1, size)]",
        ),
        ("assert NAME([1, 2, 3], 2) == [[1, 2], [3]]", "assert NAME([], 2) == []"),
    ),
    Known(
        "returns the list `items` without repeated values, keeping the first occurrence of each in order.",
        False,
        "Remember what was seen and keep what is new.",
        "return list(dict.fromkeys(items))",
        (
            "return sorted(set(items))",
            "return [one for place, one in enumerate(items) if not place or one != items[place - 1]]",
        ),
        ("assert NAME([3, 1, 3, 2, 1]) == [3, 1, 2]", "assert NAME([]) == []"),
    ),
    Known(
        "returns True if every bracket in the string `text` — round, square or curly — is closed by its own kind in "
        "the right order, and False otherwise; other characters are ignored.",
        True,
        "Push opening brackets, pop at closing ones, and end with an empty stack.",
        'closing = {")": "(", "]": "[", "}": "{"}\nstack = []\nfor one in text:\n    if one in "([{":\n'
        "        stack.append(one)\n    elif one in closing and (not stack or stack.pop() != closing[one]):\n"
        "        return False\nreturn not stack",
        (
            'return all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))',
            'closing = {")": "(", "]": "[", "}": "{"}\nstack = []\nfor one in text:\n    if one in "([{":\n'
            "        stack.append(one)\n    elif one in closing and (not stack or stack.pop() != closing[one]):\n"
            "        return False\nreturn True",
        ),
        ('assert NAME("([)]") is False', 'assert NAME("((") is False', 'assert NAME("{a[b](c)}") is True'),
    ),
    Known(
        "merges the two ascending lists `left` and `right` into one ascending list that keeps every element.",
        False,
        "Put both lists together and sort.",
        "return sorted(left + right)",
        ("return sorted(set(left + right))", "return left + right"),
        ("assert NAME([1, 1], [1]) == [1, 1, 1]", "assert NAME([2], [1]) == [1, 2]"),
    ),
    Known(
        "shifts every letter a-z and A-Z of the string `text` forward by `k` places in the alphabet, wrapping around "
        "and keeping its case, and leaves all other characters as they are; `k` may be negative or above 26.",
        True,
        "Count from the letter a or A, add k modulo 26, and leave the rest alone.",
        'out = ""\nfor one in text:\n    if one.isascii() and one.isalpha():\n'
        '        first = ord("a") if one.islower() else ord("A")\n'
        "        one = chr((ord(one) - first + k) % 26 + first)\n    out += one\nreturn out",
        (
            'return "".join(chr(ord(one) + k) if one.isalpha() else one for one in text)',
            'out = ""\nfor one in text.lower():\n    if one.isalpha():\n'
            '        one = chr((ord(one) - ord("a") + k) % 26 + ord("a"))\n    out += one\nreturn out',
        ),
        ('assert NAME("xyz", 3) == "abc"', 'assert NAME("Hello, World!", 5) == "Mjqqt, Btwqi!"'),
    ),
    Known(
        "returns the length of the longest run of equal neighbouring values in the list `items`, and 0 if it is empty.",
        True,
        "Count the current run and remember the longest.",
        "best = length = 0\nfor place, one in enumerate(items):\n"
        "    length = length + 1 if place and items[place - 1] == one else 1\n"
        "    best = max(best, length)\nreturn best",
        (
            "best = length = 1\nfor place in range(1, len(items)):\n"
            "    length = length + 1 if items[place - 1] == items[place] else 1\n"
            "    best = max(best, length)\nreturn best",
            "best = length = 0\nfor place, one in enumerate(items):\n    if place and items[place - 1] == one:\n"
            "        length += 1\n    else:\n        best, length = max(best, length), 1\nreturn best",
        ),
        ("assert NAME([]) == 0", "assert NAME([1, 2, 2, 2]) == 3"),
    ),
)
