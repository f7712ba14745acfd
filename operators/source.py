"""Python source is recognized and compared by its syntax tree and never run here; text that no parser survives is
simply not source."""

from __future__ import annotations

import ast
import threading
import warnings
from dataclasses import dataclass
from typing import Final

from ..digest import digest
from .fences import fenced_blocks

PYTHON_LABELS: Final = frozenset({"python", "py", "python3", "py3"})
TELLING: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assert)
DOCUMENTED: Final = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FILTERS: Final = threading.Lock()


@dataclass(frozen=True)
class Source:
    """What Python there is in a text."""

    code: str
    """Empty: there is none."""
    other_labels: tuple[str, ...] = ()
    """Labels of the fenced blocks in other languages."""


def find_source(text: str) -> Source:
    """The Python in `text`: its Python-labelled blocks joined, else its unlabelled blocks, else the whole text where
    that is a module. Blocks that do not parse are left out where others do."""
    blocks = [block for block in fenced_blocks(text) if block.text.strip()]
    others = tuple(dict.fromkeys(block.label for block in blocks if block.label not in {"", *PYTHON_LABELS}))
    for labels in (PYTHON_LABELS, frozenset({""})):
        found = [block.text for block in blocks if block.label in labels]
        if found:
            return Source(_joined(found), others)
    return Source(text.strip() if not blocks and is_module(text) else "", others)


def is_module(text: str) -> bool:
    """Whether `text` as a whole is Python that defines, imports or asserts something. The prose `Paris` parses too,
    but does none of these."""
    tree = parse_python(text)
    return tree is not None and any(isinstance(statement, TELLING) for statement in tree.body)


def is_program(code: str) -> bool:
    """Whether `code` is complete and does something. A problem that quotes signatures, helpers and examples holds code
    too, but no program: a function in it is left to be written. Code that does not parse is a program, a broken one."""
    tree = parse_python(code)
    if tree is None:
        return True
    if any(_is_stub(node) for node in tree.body):
        return False
    return not all(
        isinstance(node, ast.Import | ast.ImportFrom | ast.Assert) or _is_constant(node) for node in tree.body
    )


def _is_stub(node: ast.stmt) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    idle = (ast.Pass, ast.Raise, ast.Import, ast.ImportFrom)
    return all(isinstance(inner, idle) or _is_constant(inner) for inner in node.body)


def parse_python(code: str) -> ast.Module | None:
    """The syntax tree of `code`, or None where it has none. What the parser has to remark on text that a model wrote
    stays silent; the lock is there because warning filters belong to the whole process."""
    with FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def code_digest(code: str) -> str | None:
    """Equal for programs that differ in layout, comments and docstrings only; None where `code` has no tree."""
    tree = parse_python(code)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and len(node.body) > 1 and ast.get_docstring(node) is not None:
            del node.body[0]
    try:
        return digest(ast.dump(tree), 12)
    except RecursionError:
        return None


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _joined(blocks: list[str]) -> str:
    whole = "\n\n".join(blocks)
    if len(blocks) == 1 or parse_python(whole) is not None:
        return whole
    sound = [block for block in blocks if parse_python(block) is not None]
    return "\n\n".join(sound) if sound else whole
