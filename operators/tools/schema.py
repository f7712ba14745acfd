"""A tool's schema, as Flowwright keeps it, is plain, bounded and closed in itself: no reference leads out of it, no
description is longer than a line, and it refuses no value that the tool's own schema takes for a named argument.

What is left out only ever widens it, for the tool checks its arguments again: every keyword that is kept narrows what
is accepted, negations are dropped, `oneOf` becomes `anyOf`, and a schema that contains itself is opened at the second
turn. A regular expression of a stranger is never run, since one can be made to run for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from ...errors import UsageError
from .names import one_line

LONGEST: Final = 16_000
"""Characters of a schema as JSON."""
MOST_PARTS: Final = 2_000
"""Subschemas, with each reference counted as often as it is used."""
DEEPEST: Final = 24
LONGEST_TEXT: Final = 300

# fmt: off
PLAIN: Final = frozenset({
    "type", "enum", "const", "default", "examples", "format", "required", "dependentRequired", "uniqueItems",
    "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems",
    "maxItems", "minProperties", "maxProperties",
})
# fmt: on
ONE: Final = frozenset({"items", "additionalProperties", "propertyNames"})
OPENING: Final = frozenset({"additionalProperties", "allOf", "anyOf"})
"""Where one of these stands beside `properties`, arguments may be named elsewhere."""
ANNOTATIONS: Final = frozenset({"description", "default", "examples"})
RENAMED: Final = {"oneOf": "anyOf", "anyOf": "anyOf", "allOf": "allOf", "prefixItems": "prefixItems"}


class BadSchema(UsageError):
    """A tool's arguments are not described in a way that Flowwright can check."""


def parameters_of(tool: str, schema: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """The JSON schema (2020-12) of a tool's arguments. `description` becomes the schema's own, so that an operator's
    version changes with it.

    Where the schema names the arguments and does not say what becomes of others, others are refused: tools drop them
    in silence. Raises BadSchema for a schema that is not an object's, is malformed, points out of itself, or is larger
    than 16,000 characters without titles.
    """
    read = _Reader(tool, schema).read(schema, (), 0)
    if not isinstance(read, dict) or read.get("type", "object" if "properties" in read else None) != "object":
        raise BadSchema(f"the arguments of {tool} are not an object", fix="Describe them by a schema of type object")
    read["type"] = "object"
    if description:
        read["description"] = one_line(description, LONGEST_TEXT)
    _check(tool, read)
    if not read.keys() & OPENING and set(read.get("required", ())) <= read.get("properties", {}).keys():
        read["additionalProperties"] = False
    return read


def _check(tool: str, schema: dict[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
        size = len(json.dumps(schema, allow_nan=False))
    except (SchemaError, ValueError, TypeError) as error:
        told = error.message if isinstance(error, SchemaError) else str(error)
        raise BadSchema(f"the schema of {tool} is malformed: {one_line(told, LONGEST_TEXT)}") from error
    if size > LONGEST:
        raise BadSchema(f"the schema of {tool} has {size:,} characters", fix=f"Describe it in at most {LONGEST:,}")


class _Reader:
    """One pass over one schema."""

    def __init__(self, tool: str, root: Mapping[str, Any]) -> None:
        self.tool, self.root = tool, root
        self.parts = 0

    def read(self, node: Any, opened: tuple[str, ...], depth: int) -> dict[str, Any] | bool:
        """The plain form of one subschema; `opened` are the references that lead to it."""
        if not isinstance(node, Mapping):
            return node if isinstance(node, bool) else self.malformed(f"{type(node).__name__} where a schema belongs")
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise BadSchema(f"the schema of {self.tool} has more than {MOST_PARTS:,} parts", fix="Describe it in less")
        if depth > DEEPEST:
            return {}
        plain: dict[str, Any] = {}
        for keyword, value in node.items():
            plain |= self.keyword(str(keyword), value, opened, depth + 1)
        if "patternProperties" in node:
            plain["additionalProperties"] = True
        return self.referred(node["$ref"], plain, opened, depth) if "$ref" in node else plain

    def keyword(self, keyword: str, value: Any, opened: tuple[str, ...], depth: int) -> dict[str, Any]:
        """What becomes of one keyword; nothing, where it is dropped."""
        if keyword == "properties":
            named = value if isinstance(value, Mapping) else self.malformed("properties that are not an object")
            return {keyword: {str(name): self.read(each, opened, depth) for name, each in named.items()}}
        if keyword in RENAMED or (keyword == "items" and isinstance(value, list)):
            listed = value if isinstance(value, list) else self.malformed(f"{keyword} that is not a list")
            return {RENAMED.get(keyword, "prefixItems"): [self.read(each, opened, depth) for each in listed]}
        if keyword in ONE:
            return {keyword: self.read(value, opened, depth)}
        if keyword == "description":
            return {keyword: one_line(str(value), LONGEST_TEXT)}
        return {keyword: value} if keyword in PLAIN else {}

    def referred(self, reference: Any, siblings: dict[str, Any], opened: tuple[str, ...], depth: int) -> dict[str, Any]:
        """What `reference` points to, with what stands beside it; anything, if it leads to itself."""
        target: Any = {} if reference in opened else self.target(reference)
        found = self.read(target, (*opened, reference), depth + 1)
        if isinstance(found, bool):
            found = {} if found else {"not": {}}
        if siblings.keys() <= ANNOTATIONS or not found.keys() & siblings.keys():
            return {**found, **siblings}
        return {**siblings, "allOf": [*siblings.get("allOf", []), found]}

    def target(self, reference: Any) -> Any:
        """What a reference into this very schema points to."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            self.malformed(f"{reference!r} points out of it")
        place: Any = self.root
        for step in reference.split("/")[1:]:
            key: Any = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and key.isdecimal():
                key = int(key)
            elif not isinstance(place, Mapping):
                self.malformed(f"{reference!r} points to nothing")
            try:
                place = place[key]
            except (KeyError, IndexError):
                self.malformed(f"{reference!r} points to nothing")
        return place

    def malformed(self, what: str) -> Any:
        raise BadSchema(f"the schema of {self.tool} cannot be used: {one_line(what, LONGEST_TEXT)}")
