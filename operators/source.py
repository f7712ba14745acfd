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
DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
WARNINGS: Final = threading.Lock()


@dataclass(frozen=True)
class Source:
    """Python found in a text."""

    code: str
    other_labels: tuple[str, ...] = ()
    """Labels of fenced blocks that are in another language; with empty `code`, why there is none."""


def find_source(text: str) -> Source:
    """The Python in `text`: its Python-labelled blocks joined, else its unlabelled blocks, else the whole text where
    that is a module with a definition. Blocks that do not parse are left out where others do."""
    blocks = fenced_blocks(text)
    others = tuple(dict.fromkeys(block.label for block in blocks if block.label not in PYTHON_LABELS and block.label))
    for labels in (PYTHON_LABELS, frozenset({""})):
        found = [block.text for block in blocks if block.label in labels and block.text.strip()]
        if found:
            return Source(_joined(found), others)
    return Source(text.strip() if not blocks and is_module(text) else "", others)


def is_module(text: str) -> bool:
    """Whether `text` as a whole is Python that defines, imports or asserts something. Prose such as `Paris` parses
    too, but does none of these."""
    tree = parse_python(text)
    telling = (*DEFINITIONS, ast.Import, ast.ImportFrom, ast.Assert)
    return tree is not None and any(isinstance(statement, telling) for statement in tree.body)


def parse_python(code: str) -> ast.Module | None:
    """The syntax tree of `code`, or None where it has none. Whatever the parser has to remark on text that a model
    wrote stays silent; the lock is there because warning filters belong to the whole process."""
    with WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def code_digest(code: str) -> str | None:
    """Equal for programs that differ in layout, comments and docstrings only; None where `code` does not parse."""
    tree = parse_python(code)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and len(node.body) > 1:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                del node.body[0]
    try:
        return digest(ast.dump(tree), 12)
    except RecursionError:
        return None


def _joined(blocks: list[str]) -> str:
    whole = "\n\n".join(blocks)
    if len(blocks) == 1 or parse_python(whole) is not None:
        return whole
    sound = [block for block in blocks if parse_python(block) is not None]
    return "\n\n".join(sound) if sound else whole
