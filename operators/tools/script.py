"""A script keeps its text, its lines and its meaning; only its last expression gets a name, so that its value can be
told. Nothing of it runs here."""

from __future__ import annotations

import ast
from typing import Final

from ..source import parse_python

LONGEST_VALUE: Final = 20_000
"""Characters of a value that leave the sandbox."""
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPOUND: Final = (
    *FUNCTIONS, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar,
    ast.Match,
)  # fmt: skip
"""Statements that cannot follow another one on its line: before these the prelude takes a line of its own."""
VALUE: Final = "_value_of_this_script"
TELL: Final = f"""

def solve():
    from builtins import isinstance, len, repr, str
    if {VALUE} is None:
        return None
    text = {VALUE} if isinstance({VALUE}, str) else repr({VALUE})
    return [text[:{LONGEST_VALUE}], len(text)]
"""
"""What a sandbox calls when the script has ended: the text of the value and how long it is in full. The script may have
given the names of built-in functions to other things."""


def telling(code: str, prelude: str = "") -> str:
    """`code` as a program whose `solve()` tells the script's value: that of its last statement, if that is an
    expression; else what its own `solve()` returns, if that takes nothing and the script leaves it uncalled.

    `prelude` is one line of statements run before the script's first that is not `from __future__`. Code that does not
    parse stays as it is: running it says why.
    """
    text = code.replace("\r\n", "\n").replace("\r", "\n")
    tree = parse_python(text)
    if tree is None:
        return code
    last = tree.body[-1] if tree.body else None
    source = text.encode()
    if isinstance(last, ast.Expr) and not (isinstance(last.value, ast.Constant) and isinstance(last.value.value, str)):
        begin, end = _offset(source, last.lineno, last.col_offset), _end(source, last)
        source = source[:begin] + f"{VALUE} = (".encode() + source[begin:end] + b")" + source[end:]
        told = ""
    else:
        told = f"\n\n{VALUE} = {'solve()' if _leaves_solve(tree) else 'None'}"
    return _preceded(source, tree, prelude).decode() + told + TELL


def _preceded(source: bytes, tree: ast.Module, prelude: str) -> bytes:
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    if not prelude:
        return source
    if not futures:
        between = "\n" if tree.body and isinstance(tree.body[0], COMPOUND) else "; "
        return f"{prelude}{between}".encode() + source
    end = _end(source, futures[-1])
    return source[:end] + f"; {prelude}".encode() + source[end:]


def _leaves_solve(tree: ast.Module) -> bool:
    """Whether the script defines a `solve()` without parameters and never names it again."""
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "solve"]
    if not defined or defined[-1].decorator_list:
        return False
    given = defined[-1].args
    named = any(isinstance(node, ast.Name) and node.id == "solve" for node in ast.walk(tree))
    return not named and not (given.posonlyargs or given.args or given.kwonlyargs)


def _end(source: bytes, node: ast.stmt) -> int:
    line, column = node.end_lineno, node.end_col_offset
    assert line is not None, "the parser gives it"
    assert column is not None, "the parser gives it"
    return _offset(source, line, column)


def _offset(source: bytes, line: int, column: int) -> int:
    """Where a line (from 1) and a column in bytes lie in the whole text."""
    start = 0
    for _ in range(line - 1):
        start = source.index(b"\n", start) + 1
    return start + column
