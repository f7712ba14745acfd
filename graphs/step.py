"""A planner's decision has one shape, whichever of its written forms it came in; what had to be put right is told."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .design import FinishDesign, GiveUpDesign, of_kind

MAX_STEPS: Final = 4
PUBLISHED: Final = ("context", "sub_goal")
"""Texts that the published form of a step has beside its tool and a justification."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class StepDesign(BaseModel):
    """One call to be made (AgentFlow, arXiv 2510.05592: context, sub-goal, tool)."""

    model_config = ConfigDict(extra="ignore", strict=True)

    tool: Text
    """Name of an operator."""
    sub_goal: Text
    context: str = ""
    inputs: list[Text] = Field(default_factory=list, max_length=12)
    """Memory keys whose full text the call is given."""
    arguments: dict[str, Any] | None = None
    """Of a tool; None: the executor writes them."""


class StepsDesign(BaseModel):
    """Calls that do not need each other's results."""

    model_config = ConfigDict(extra="ignore", strict=True)

    steps: list[StepDesign] = Field(min_length=1, max_length=MAX_STEPS)
    justification: str = ""


Decided = StepsDesign | FinishDesign | GiveUpDesign
KINDS: Final[dict[str, type[Decided]]] = {
    "steps": StepsDesign, "finish": FinishDesign, "give_up": GiveUpDesign
}  # fmt: skip


def decided(action: dict[str, Any]) -> Decided:
    """The decision in `action`. Raises ValueError with one line for every unmet constraint."""
    return of_kind(KINDS, action)


def from_flat(action: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """`action` with the published form of one step (`context`, `sub_goal`, `tool_name` at the top) made a list of one,
    and what had to be filled in. Raises ValueError for what is no decision."""
    notices = []
    if "tool_name" in action or "tool" in action:
        step = {"tool": action.get("tool_name", action.get("tool")), "sub_goal": action.get("sub_goal", "")}
        step |= {name: action[name] for name in ("context", "inputs", "arguments") if name in action}
        if not step["sub_goal"]:
            step["sub_goal"] = str(action.get("context") or action.get("justification") or "")
        notices = [f"no {name.replace('_', '-')} was given" for name in PUBLISHED if not action.get(name)]
        action = {"justification": action.get("justification", ""), "steps": [step]}
    decided(action)
    return action, notices


def steps_schema(tools: list[str]) -> dict[str, Any]:
    """JSON schema of a decision with the tools that may be named, for constrained decoding."""
    text = {"type": "string", "minLength": 1}
    step = {
        "tool": {"enum": tools}, "sub_goal": text, "context": {"type": "string"},
        "inputs": {"type": "array", "items": text, "maxItems": 12},
    }  # fmt: skip
    steps = {"type": "array", "minItems": 1, "maxItems": MAX_STEPS, "items": _object(step)}
    return {
        "anyOf": [
            _object({"justification": {"type": "string"}, "steps": steps}), _object({"finish": text}),
            _object({"give_up": text}),
        ]
    }  # fmt: skip


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip
