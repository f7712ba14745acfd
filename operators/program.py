"""A program and the tests in it are told apart by syntax, never by running it; nothing is dropped: each statement
belongs to the candidate, to the tests, or to both."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from .fences import outside_fences
from .source import find_source, parse_python

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
BOUND: Final = (*FUNCTIONS, ast.ClassDef)
ASSERTION: Final = re.compile(r"^[ \t]*(?:>>>[ \t]*)?(assert\b.+)$", re.MULTILINE)
CHECK: Final = "check"
CALL_SOLVE: Final = "print('solve() returned', repr(solve()))"


@dataclass(frozen=True)
class Check:
    """One thing to ask of a sandbox: does `candidate` pass `tests`?"""

    origin: Literal["own", "given"]
    """Whether the program brought the tests along, or another input did."""
    candidate: str
    """Empty: it stands in `tests`, in its own order with them, and is not kept apart from them."""
    tests: str
    entry_point: str | None = None
    """What `check(candidate)` is called with; None: the tests call functions by name."""

    @property
    def isolated(self) -> bool:
        """Whether the candidate runs apart from its tests."""
        return bool(self.candidate)

    def together(self) -> Check:
        """The same check in one process, for candidates whose results are more than plain data."""
        call = f"\n{CHECK}({self.entry_point})" if self.entry_point else ""
        return replace(self, candidate="", tests=f"{self.candidate}\n{self.tests}{call}", entry_point=None)


def checks_of(code: str, others: Sequence[str]) -> list[Check]:
    """The checks for a program: its own assertions, and those in the other inputs. Empty: nothing to check, or no
    program."""
    tree = parse_python(code)
    if tree is None:
        return []
    try:
        tests = _tests(tree)
        own = [Check("own", "", _script(tree))] if tests else []
        candidate = [node for node in tree.body if node not in tests or _is_solve(node)]
        return own + [check for text in others if (check := _given(text, candidate)) is not None]
    except RecursionError:
        return []


def _given(text: str, candidate: list[ast.stmt]) -> Check | None:
    """The tests in another input, with all that stands around them. What the program defines itself, the other input
    only repeats (a stub, an older version): that is left out."""
    tree = parse_python(find_source(text).code or "\n".join(_assertions(outside_fences(text))))
    tests = _tests(tree) if tree else []
    if tree is None or not tests:
        return None
    mine = {node.name for node in candidate if isinstance(node, BOUND)}
    kept = [node for node in tree.body if not (isinstance(node, BOUND) and node.name in mine) and not _is_future(node)]
    entry = None
    if any(_is_check(node) for node in tests) and not any(_called(node) == CHECK for node in tests):
        entry = _entry_point(candidate, {node.name for node in tree.body if isinstance(node, FUNCTIONS)})
    calls = [CALL_SOLVE] if any(_is_solve(node) and node in tests for node in kept) else []
    return Check("given", _text(candidate), "\n".join([_text(kept), *calls]), entry)


def _assertions(prose: str) -> Iterator[str]:
    """Lines of prose that are assertions."""
    for line in ASSERTION.findall(prose):
        if parse_python(line.strip()) is not None:
            yield line.strip()


def _tests(tree: ast.Module) -> list[ast.stmt]:
    """The top-level statements that test: assertions, alone or in a loop or a main block; `test_...` functions,
    `check(candidate)`, a `solve()` that asserts, and calls of these."""
    functions = [node for node in tree.body if isinstance(node, FUNCTIONS) and _is_test_function(node)]
    names = {node.name for node in functions}
    others = [node for node in tree.body if not isinstance(node, BOUND) and (_asserts(node) or _called(node) in names)]
    return [*functions, *others]


def _is_test_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return _is_check(node) or node.name.startswith("test_") or (_is_solve(node) and _asserts(node))


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == CHECK and _parameters(node)


def _is_solve(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "solve" and not _parameters(node)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _parameters(node: ast.FunctionDef) -> bool:
    return bool(node.args.posonlyargs or node.args.args or node.args.kwonlyargs)


def _asserts(node: ast.stmt) -> bool:
    return any(isinstance(inner, ast.Assert) for inner in ast.walk(node))


def _called(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
        return node.value.func.id
    return None


def _script(tree: ast.Module) -> str:
    """The whole program as a script: with its main block, and with the calls that its reader is left to make."""
    body: list[ast.stmt] = []
    for node in tree.body:
        body += node.body if isinstance(node, ast.If) and "__name__" in _names(node.test) else [node]
    calls = [CALL_SOLVE] if any(_is_solve(node) for node in body) else []
    if any(_is_check(node) for node in body) and not any(_called(node) == CHECK for node in body):
        calls.append(f"{CHECK}({_entry_point(body, set())})")
    return "\n".join([_text(body), *calls])


def _names(node: ast.expr) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _entry_point(body: list[ast.stmt], named: set[str]) -> str | None:
    """The function under test: the one that `named` has, else `solve`, else the last one."""
    functions = [node.name for node in body if isinstance(node, FUNCTIONS) and not _is_test_function(node)]
    likely = [name for name in functions if name in named] or [name for name in functions if name == "solve"]
    return next(iter(likely or functions[-1:]), None)


def _text(body: list[ast.stmt]) -> str:
    return ast.unparse(ast.Module(body, []))
