"""The JSON schema of an action is made for constrained decoding: it does not recurse, every field is required, and
what is optional may be null. Whatever fits it is read by `read_json`; what the limits forbid in number or depth does
not fit it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

from ...operators.outcome import VerdictWord
from .limits import CanvasLimits

Json = dict[str, Any]
NODE: Final[Json] = {"type": "string", "pattern": "^node_[1-9][0-9]*$"}
NULL: Final[Json] = {"type": "null"}
INDEX: Final[Json] = {"type": "integer", "minimum": 0}


def action_schema(operators: Sequence[str], limits: CanvasLimits) -> Json:
    """Schema of one action that may name these operators. The length of a prompt has no upper bound in it: a bound
    of thousands makes grammars slow, and a prompt that is too long is refused when it is applied."""
    operator = {"operator": {"enum": list(operators)}, "prompt": _text(limits)}
    definitions = {
        "operator": _object(kind=_const("operator"), **operator),
        "predicate": _predicate(),
        "place": _nullable(_slot(limits)),
        "sequence_0": _sequence([_ref("operator")], limits),
    }
    for depth in range(1, limits.depth):
        within = _structures(depth - 1, limits)
        definitions |= {f"{kind}_{depth}": _object(kind=_const(kind), **parts) for kind, parts in within.items()}
        nodes = [_ref("operator"), *(_ref(f"{kind}_{depth}") for kind in within)]
        definitions[f"sequence_{depth}"] = _sequence(nodes, limits)
    place = {"after": _nullable(NODE), "into": _ref("place"), "position": _nullable(INDEX)}
    structures = _structures(limits.depth - 1, limits) if limits.depth else {}
    additions = [_action(name, **parts, **place) for name, parts in {"add": operator, **structures}.items()]
    return {"anyOf": [*additions, *_changes(operator, limits), *_others()], "$defs": definitions}


def _structures(depth: int, limits: CanvasLimits) -> dict[str, Json]:
    """The fields of each structure whose sequences are nested up to `depth`."""
    sequence, predicate = _ref(f"sequence_{depth}"), _ref("predicate")
    branches = {"type": "array", "items": sequence, "minItems": 2, "maxItems": limits.branches}
    nothing = {"type": "array", "maxItems": 0}
    choice = {"then": sequence, "otherwise": {"anyOf": [sequence, nothing]}}
    return {
        "parallel": {"branches": branches},
        "conditional": {"condition": _ref("operator"), "when": predicate, **choice},
        "loop": {"body": sequence, "times": _passes(limits), "until": _nullable(predicate)},
    }


def _changes(operator: dict[str, Json], limits: CanvasLimits) -> list[Json]:
    predicate = _ref("predicate")
    structure = {
        "times": _nullable(_passes(limits)),
        "until": {"anyOf": [predicate, _const("never"), NULL]},
        "when": _nullable(predicate),
    }
    parts = {name: _nullable(part) for name, part in operator.items()}
    return [
        _action("delete", target=NODE),
        _action("modify", target=NODE, **parts, **structure),
        _action("set_prompt", target=NODE, prompt=_text(limits)),
    ]


def _others() -> list[Json]:
    span = {"type": "array", "items": INDEX, "minItems": 2, "maxItems": 2}
    return [
        _action("finish", answer=_nullable({"type": "string"})),
        _action("cancel"),
        _action("undo", edits={"type": "integer", "minimum": 1}),
        _action("inspect", node=NODE, span=_nullable(span)),
    ]


def _predicate() -> Json:
    negate = {"negate": {"type": "boolean"}}
    words = {"type": "array", "items": {"enum": list(get_args(VerdictWord))}, "minItems": 1, "maxItems": 4}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "anyOf": [
            _object(test=_const("passes"), **negate),
            _object(test=_const("verdict"), among=words, **negate),
            _object(test=_const("support"), at_least=share, **negate),
            _object(test=_const("answered"), **negate),
        ]
    }


def _slot(limits: CanvasLimits) -> Json:
    branches = [f"branch_{number}" for number in range(1, limits.branches + 1)]
    return _object(node=NODE, part={"enum": ["then", "otherwise", "body", "new_branch", *branches]})


def _sequence(nodes: list[Json], limits: CanvasLimits) -> Json:
    return {"type": "array", "items": {"anyOf": nodes}, "minItems": 1, "maxItems": limits.operators}


def _passes(limits: CanvasLimits) -> Json:
    return {"type": "integer", "minimum": 1, "maximum": limits.passes}


def _text(limits: CanvasLimits) -> Json:
    return {"type": "string", "minLength": max(1, limits.min_prompt)}


def _action(name: str, **properties: Json) -> Json:
    return _object(action=_const(name), **properties)


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _nullable(schema: Json) -> Json:
    return {"anyOf": [schema, NULL]}


def _const(value: str) -> Json:
    return {"const": value}


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}
