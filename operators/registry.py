"""A name stands for exactly one operator, whoever brought it. A plug-in that cannot be loaded is on record and takes
nothing else down with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from ..errors import UsageError
from .builtin import builtin_operators
from .template import OperatorTemplate

GROUP: Final = "flowwright.operators"
OURS: Final = "flowwright"


class UnknownOperator(UsageError, KeyError):
    """No operator has this name."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Broken:
    """A plug-in that gave no operators."""

    name: str
    """Name of its entry point."""
    source: str
    """Distribution that declares it."""
    reason: str
    """Type and message of what went wrong."""


class Registry(Mapping[str, OperatorTemplate]):
    """Operators by name, in catalogue order. Immutable."""

    def __init__(self, operators: Iterable[tuple[OperatorTemplate, str]], broken: Iterable[Broken] = ()) -> None:
        """`operators` are pairs of a template and who brought it. Raises UsageError if two have one name."""
        self.broken: tuple[Broken, ...] = tuple(broken)
        """Plug-ins that could not be loaded; empty: all could."""
        self._operators: dict[str, OperatorTemplate] = {}
        self._sources: dict[str, str] = {}
        for operator, source in operators:
            if operator.name in self._operators:
                both = f"{self._sources[operator.name]} and {source}"
                raise UsageError(f"two operators are called {operator.name}: from {both}", fix="Rename or remove one")
            self._operators[operator.name] = operator
            self._sources[operator.name] = source

    @classmethod
    def load(cls) -> Registry:
        """The built-in operators and those of every installed distribution with entry points in the group
        `flowwright.operators`. What cannot be loaded is in `broken`."""
        found = [(operator, OURS) for operator in builtin_operators()]
        broken: list[Broken] = []
        for point in entry_points(group=GROUP):
            source = point.dist.name if point.dist else point.value
            if source == OURS:
                continue
            loaded = _loaded(point, source)
            if isinstance(loaded, Broken):
                broken.append(loaded)
            else:
                found += [(operator, source) for operator in loaded]
        return cls(found, broken)

    def __getitem__(self, name: str) -> OperatorTemplate:
        """The operator called `name`. Raises UnknownOperator, which is a UsageError and a KeyError."""
        if name in self._operators:
            return self._operators[name]
        near = self.nearest(name)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise UnknownOperator(f"no operator is called {name!r}", fix=f"{meant}There are {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._operators)

    def __len__(self) -> int:
        return len(self._operators)

    def source(self, name: str) -> str:
        """Distribution that brought the operator. Raises UnknownOperator."""
        return self._sources[self[name].name]

    def allow(self, names: Iterable[str]) -> Registry:
        """The registry of these operators alone, in this order. Raises UnknownOperator for a name that is not here."""
        return Registry([(self[name], self.source(name)) for name in dict.fromkeys(names)], self.broken)

    def extended(self, operators: Iterable[OperatorTemplate], source: str = "the caller") -> Registry:
        """The registry with more operators at its end. Raises UsageError for a name that is taken."""
        mine = [(operator, self.source(name)) for name, operator in self.items()]
        return Registry([*mine, *((operator, source) for operator in operators)], self.broken)

    def replaced(self, operator: OperatorTemplate) -> Registry:
        """The registry with `operator` in the place of the one of its name. Raises UnknownOperator."""
        here = self.source(operator.name)
        mine = [(operator, here) if name == operator.name else (one, self.source(name)) for name, one in self.items()]
        return Registry(mine, self.broken)

    def nearest(self, name: str) -> list[str]:
        """Names that resemble `name`, most alike first; at most three."""
        shape = name.strip().casefold().replace(" ", "_").replace("-", "_")
        known = {one.casefold(): one for one in self}
        return [known[one] for one in get_close_matches(shape, known, n=3, cutoff=0.5)]

    def catalogue(self) -> str:
        """One line an operator, for a designer's prompt: name, purpose, inputs, result and cost."""
        return "\n".join(_line(operator) for operator in self.values())


def _loaded(point: EntryPoint, source: str) -> list[OperatorTemplate] | Broken:
    try:
        operators = point.load()()
    except Exception as error:  # noqa: BLE001 -- foreign code may raise anything; it is put on record
        return Broken(point.name, source, f"{type(error).__name__}: {error}")
    if isinstance(operators, list) and all(isinstance(operator, OperatorTemplate) for operator in operators):
        return operators
    return Broken(point.name, source, f"{point.value} did not return a list of OperatorTemplate")


def _line(operator: OperatorTemplate) -> str:
    calls = {0: "no model call", 1: "1 model call"}.get(operator.max_calls, f"up to {operator.max_calls} model calls")
    calls = calls if operator.parameters is None else "1 tool call"
    return f"- {operator.name}: {operator.purpose} Takes {operator.accepts}. Gives: {operator.output}. Cost: {calls}."
