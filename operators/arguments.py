"""A tool is called with arguments that fit its schema, or not at all. Every unmet constraint is named at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from ..errors import UsageError

MOST_PROBLEMS = 5


class BadArguments(UsageError):
    """Arguments that do not fit a tool's schema."""


def check_arguments(tool: str, parameters: Mapping[str, Any], arguments: Mapping[str, Any] | None) -> None:
    """Raises BadArguments with every unmet constraint, up to five."""
    if arguments is None:
        raise BadArguments(f"{tool} is a tool and got no arguments", fix=f"an object with {_names(parameters)}")
    validator = Draft202012Validator(dict(parameters))
    problems = sorted(validator.iter_errors(dict(arguments)), key=lambda one: list(map(str, one.absolute_path)))
    if problems:
        told = "; ".join(_line(one) for one in problems[:MOST_PROBLEMS])
        raise BadArguments(f"the arguments of {tool} do not fit: {told}", fix=f"an object with {_names(parameters)}")


def _line(problem: ValidationError) -> str:
    deepest = best_match([problem]) or problem
    place = ".".join(map(str, deepest.absolute_path))
    return f"{place}: {deepest.message}" if place else deepest.message


def _names(parameters: Mapping[str, Any]) -> str:
    """The argument names, required ones first and marked."""
    required = set(parameters.get("required", ()))
    names = sorted(parameters.get("properties", {}), key=lambda name: name not in required)
    return ", ".join(f"{name} (required)" if name in required else name for name in names) or "no entries"
