"""Programs about 24: one that searches, one that checks an expression, and the assertions of the question itself. They
take expressions apart by their syntax and run none."""

from __future__ import annotations

from typing import Final

VALUE: Final = """\
import ast
from fractions import Fraction

used = []


def value(node):
    if isinstance(node, ast.Constant):
        used.append(node.value)
        return Fraction(node.value)
    left, right = value(node.left), value(node.right)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    assert right != 0, "the expression divides by zero"
    return left / right
"""
CHECK: Final = """\
{value}

def solve():
    result = value(ast.parse({expression!r}, mode="eval").body)
    assert sorted(used) == {numbers!r}, f"it uses {{sorted(used)}}, not {numbers!r}"
    assert result == 24, f"it equals {{result}}, not 24"
    return {expression!r}
"""
ACCEPTANCE: Final = """\
{value}

result = value(ast.parse(solve(), mode="eval").body)
assert sorted(used) == {numbers!r}, f"it uses {{sorted(used)}}, not {numbers!r}"
assert result == 24, f"it equals {{result}}, not 24"
"""
SEARCH: Final = """\
from fractions import Fraction
from itertools import permutations

NUMBERS = {numbers!r}


def joined(a, left, b, right):
    yield a + b, f"({{left}} + {{right}})"
    yield a - b, f"({{left}} - {{right}})"
    yield a * b, f"({{left}} * {{right}})"
    if b:
        yield a / b, f"({{left}} / {{right}})"


def made(items):
    if len(items) == 1:
        return items[0][1][1:-1] if items[0][0] == 24 else None
    for (a, left), (b, right), *rest in permutations(items):
        for one in joined(a, left, b, right):
            found = made([one, *rest])
            if found:
                return found
    return None


def solve():
    return made([(Fraction(one), str(one)) for one in NUMBERS])
"""
