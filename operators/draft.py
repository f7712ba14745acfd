"""A draft counts for what it does when it is run, never for what its author says about it: its value is what `solve()`
returned in the sandbox, and a program that failed is shown with its failure."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from .context import excerpt
from .outcome import Outcome
from .program import BOUND
from .sandbox import Execution
from .source import parse_python

SHOWN: Final = 1_500
"""Characters of each printed stream shown with a program; the data has all that the sandbox kept."""
TICKS: Final = re.compile(r"`{3,}")


@dataclass(frozen=True)
class Draft:
    """A program that a model wrote, and what it did."""

    reply: Outcome
    """What the model said; its answer is the program."""
    execution: Execution | None
    """None: the reply had no program to run."""
    answer: str | None
    """What `solve()` returned where the problem wants a value, else the program; None: there is neither."""
    wants_value: bool
    """Whether the answer is what `solve()` returns."""
    fault: str | None
    """What is wrong with it; None: it ran to its end and there is an answer."""

    @classmethod
    def of(cls, reply: Outcome, execution: Execution | None, asked: Collection[str]) -> Draft:
        """The draft in `reply`. A value is wanted where the program has a `solve()` without parameters and none of the
        functions that the problem names, in `asked`."""
        code = reply.answer
        if code is None or execution is None:
            return cls(reply, None, None, False, "The reply has no ```python block with a program.")
        tree = parse_python(code)
        defined = [node for node in tree.body if isinstance(node, BOUND)] if tree else []
        wants_value = any(map(_is_solve, defined)) and not any(node.name in asked for node in defined)
        value = _text(execution.value)
        fault = _fault(execution, wants_value=wants_value, value=value, defines=bool(defined))
        return cls(reply, execution, value if wants_value else code, wants_value, fault)

    def told(self) -> str:
        """The program in one fence, what it printed, and its value as the final answer or what is wrong with it."""
        lines = [fenced(self.reply.answer, "python") if self.reply.answer else self.reply.content]
        if self.execution:
            streams = {"Printed": self.execution.stdout.strip(), "On stderr": self.execution.stderr.strip()}
            lines += [f"{name}:\n{fenced(excerpt(said, SHOWN), 'text')}" for name, said in streams.items() if said]
        if self.fault:
            lines.append(self.fault)
        elif self.wants_value and self.answer:
            lines.append(f"Answer:\n{fenced(self.answer)}" if "\n" in self.answer else f"Answer: {self.answer}")
        return "\n".join(lines)

    def outcome(self, faults: list[str]) -> Outcome:
        """The outcome of the operation that ended with this draft. `faults` are those of all its drafts, in order."""
        data: dict[str, JsonValue] = {
            **self.reply.data,
            "status": self.execution.status if self.execution else "no_code",
            "wants_value": self.wants_value,
            "faults": [*faults],
            "execution": json.loads(self.execution.model_dump_json()) if self.execution else None,
        }
        return Outcome(kind="code", content=self.told(), answer=self.answer, data=data)


def fenced(text: str, label: str = "") -> str:
    """`text` as one fenced block, in a fence that nothing in it can close."""
    ticks = "`" * (max(map(len, TICKS.findall(text)), default=2) + 1)
    return f"{ticks}{label}\n{text}\n{ticks}"


def _fault(execution: Execution, *, wants_value: bool, value: str | None, defines: bool) -> str | None:
    if execution.status != "ok":
        said = execution.exception or "it did not run to its end"
        return f"The program failed ({execution.status}): {excerpt(said, SHOWN)}"
    if wants_value:
        return None if value else "solve() returned nothing. It must return the answer; printing it is not enough."
    return None if defines else "The program defines no function: neither solve() nor one that the problem names."


def _is_solve(node: ast.stmt) -> bool:
    if not isinstance(node, ast.FunctionDef) or node.name != "solve":
        return False
    taken = node.args
    return not (taken.posonlyargs or taken.args or taken.kwonlyargs)


def _text(value: Any) -> str | None:
    """A value as text; None: there is none, or nothing but blanks."""
    text = "" if value is None else value if isinstance(value, str) else repr(value)
    return text.strip() or None
