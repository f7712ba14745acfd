"""A stage design has one shape, checked before anything else looks at it. Ids in it are advice; keys are names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .memory import NAME

MAX_OPERATORS = 6
MAX_DESCRIPTION = 300

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Params(BaseModel):
    """What one operator of a stage does, to what, and under which name."""

    model_config = ConfigDict(extra="ignore", strict=True)

    instruction_type: Text
    """Name of the operator."""
    input_keys: list[Text] = Field(min_length=1)
    """ψ: memory keys, or outputs of this stage."""
    output_key: Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
    """Name for the result; the runtime adds the version."""
    input_usage: Text
    """φ: the instruction."""


class OperatorDesign(BaseModel):
    """One operator of a stage."""

    model_config = ConfigDict(extra="ignore", strict=True)

    params: Params
    operator_description: str = ""


class StageDesign(BaseModel):
    """A stage as the designer writes it (DyFlow's wire format, with its loose parts made strict)."""

    model_config = ConfigDict(extra="ignore", strict=True)

    stage_description: Annotated[Text, StringConstraints(max_length=MAX_DESCRIPTION)]
    operators: list[OperatorDesign] = Field(min_length=1, max_length=MAX_OPERATORS)


class FinishDesign(BaseModel):
    """Stop with the candidate under this key."""

    model_config = ConfigDict(extra="ignore", strict=True)

    finish: Text
    reason: str = ""


class GiveUpDesign(BaseModel):
    """Stop without a candidate."""

    model_config = ConfigDict(extra="ignore", strict=True)

    give_up: Text


Design = StageDesign | FinishDesign | GiveUpDesign
Kind = TypeVar("Kind", bound=BaseModel)
KINDS: Final[dict[str, type[Design]]] = {
    "operators": StageDesign, "finish": FinishDesign, "give_up": GiveUpDesign
}  # fmt: skip


def design_of(action: dict[str, Any]) -> Design:
    """The design in `action`. Raises ValueError with one line for every unmet constraint."""
    return of_kind(KINDS, action)


def of_kind(kinds: Mapping[str, type[Kind]], action: dict[str, Any]) -> Kind:
    """`action` as the one kind whose own field it has. Raises ValueError with one line for every unmet constraint."""
    present = [model for name, model in kinds.items() if name in action]
    if len(present) != 1:
        *most, last = (f'"{name}"' for name in kinds)
        raise ValueError(f"a decision has exactly one of {', '.join(most)} and {last}")
    try:
        return present[0].model_validate(action)
    except ValidationError as error:
        raise ValueError("; ".join(_line(one) for one in error.errors(include_url=False))) from error


def _line(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}"


def design_schema(operators: list[str]) -> dict[str, Any]:
    """JSON schema of a decision with the operators that may be named, for constrained decoding."""
    text = {"type": "string", "minLength": 1}
    params = {
        "instruction_type": {"enum": operators},
        "input_keys": {"type": "array", "items": text, "minItems": 1, "maxItems": 12},
        "output_key": {"type": "string", "pattern": f"^{NAME.pattern}$"},
        "input_usage": text,
    }
    operator = {"operator_description": {"type": "string"}, "params": _object(params)}
    stage = {
        "stage_description": {**text, "maxLength": MAX_DESCRIPTION},
        "operators": {"type": "array", "minItems": 1, "maxItems": MAX_OPERATORS, "items": _object(operator)},
    }
    return {
        "anyOf": [_object(stage), _object({"finish": text, "reason": {"type": "string"}}), _object({"give_up": text})]
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip
