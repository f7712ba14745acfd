"""The verdict is made in a process in which no line of the candidate ever runs. `passed` means: the tests ran to their
end, at least one assertion was evaluated, and every one that was evaluated held."""

from __future__ import annotations

import ast
import builtins
import json
from types import FunctionType, ModuleType

from .assertions import LEDGER, InconclusiveError, Instrument, Ledger
from .program import describe, load
from .proxy import Candidate
from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import jobs

VERDICT = b"v"
"""First byte of the frame that is the verdict."""

_FILE = "<tests>"
_FAILURES = 20


def main(wire: Wire, job: jobs.Trial) -> None:
    """Receives the tests, runs them against the candidate that answers over the wire, and sends the verdict."""
    tests = wire.receive()
    if tests is not None:
        verdict = Trial(Candidate(wire), job["entry_point"]).verdict(tests.decode("utf-8", "surrogatepass"))
        wire.send(VERDICT + json.dumps(verdict).encode())


class Trial:
    """One candidate before one text of tests."""

    def __init__(self, candidate: Candidate, entry_point: str | None) -> None:
        """`entry_point` is the function that `check` is called with; None: the tests call functions by name alone."""
        self._candidate = candidate
        self._entry_point = entry_point
        self._ledger = Ledger()
        self._subject: Any = None

    def verdict(self, tests: str) -> dict[str, Any]:
        """Status, count of assertions evaluated, and a line for each failure, as JSON."""
        try:
            status, reason = self._run(*self._prepared(tests))
        except InconclusiveError as fault:
            status, reason = "error", str(fault)
        failures = [*self._ledger.failures[:_FAILURES], *([reason] if reason else [])]
        writable = [failure.encode("utf-8", "backslashreplace").decode() for failure in failures]
        return {"status": status, "asserted": self._ledger.asserted, "failures": writable}

    def _prepared(self, tests: str) -> tuple[ast.Module, ModuleType, list[str]]:
        """The instrumented tests, the module they will run in, and the functions in them to call afterwards."""
        try:
            tree = ast.parse(tests)
            names, pending = _names(tree, self._entry_point), _pending(tree)
            tree = Instrument(self._ledger).visit(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
            raise InconclusiveError(f"the tests do not parse: {describe(fault)}") from None
        fault_at_load, offered = self._candidate.names(names)
        if fault_at_load is not None:
            raise InconclusiveError(f"the candidate does not load: {fault_at_load}")
        if self._entry_point is not None:
            if self._entry_point not in offered:
                raise InconclusiveError(f"the candidate defines no {self._entry_point}")
            self._subject = offered["candidate"] = offered[self._entry_point]
        module = ModuleType("tests")
        module.__dict__.update(offered, **{LEDGER: self._ledger})
        return tree, module, pending

    def _run(self, tree: ast.Module, module: ModuleType, pending: list[str]) -> tuple[str, str | None]:
        """The status, and why, where the ledger does not say so itself (None: it does)."""
        try:
            load(tree, module, _FILE)
            for name in pending:
                self._call(name, module.__dict__[name])
        except InconclusiveError:
            raise
        except BaseException as fault:  # noqa: BLE001 -- whatever ended the tests, they did not reach their end
            return self._ended(fault)
        self._ledger.close()
        if self._ledger.failures:
            return "failed", None
        return ("passed", None) if self._ledger.asserted else ("error", "the tests evaluated no assertion")

    def _call(self, name: str, function: Any) -> None:
        if not isinstance(function, FunctionType) or not function.__code__.co_argcount:
            function()
        elif self._entry_point is None:
            raise InconclusiveError(f"the tests define {name}(candidate): say with entry_point which function that is")
        else:
            function(self._subject)

    def _ended(self, fault: BaseException) -> tuple[str, str | None]:
        if self._ledger.told(fault):
            return "failed", None
        if isinstance(fault, MemoryError):
            return "memory", "the tests ran out of memory"
        if interrupted := self._ledger.interrupted():
            return "failed", f"{interrupted[-1]}: {describe(fault)}"
        blamed = self._candidate.raised(fault) or isinstance(fault, AssertionError)
        return "failed" if blamed else "error", f"the tests ended in {describe(fault)}"


def _names(tree: ast.Module, entry_point: str | None) -> list[str]:
    """What the tests read and do not get from Python itself. A builtin is the candidate's only as the entry point."""
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    names = {name for name in read if not hasattr(builtins, name) and name != LEDGER}
    return sorted(names if entry_point is None else names | {entry_point})


def _pending(tree: ast.Module) -> list[str]:
    """The functions `check` and `test_...` that the tests define and leave to their reader to call."""
    defined = [item.name for item in tree.body if isinstance(item, ast.FunctionDef)]
    called: set[Any] = {
        item.value.func.id
        for item in tree.body
        if isinstance(item, ast.Expr) and isinstance(item.value, ast.Call) and isinstance(item.value.func, ast.Name)
    }
    return [name for name in defined if (name == "check" or name.startswith("test_")) and name not in called]
