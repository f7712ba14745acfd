"""ReAct (arXiv 2210.03629) as a fourth system: one thought and one call a turn, until the model says that it knows."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from flowwright.graphs.budget import Budget
from flowwright.graphs.chronicle import chronicle
from flowwright.graphs.closing import Closing
from flowwright.graphs.decision import Decision, Finish, Plan
from flowwright.graphs.faults import Refused
from flowwright.graphs.memory import PROBLEM
from flowwright.graphs.operation import Planned
from flowwright.graphs.system import Preset, Scene, System
from flowwright.graphs.tool_name import resolve_tool, unknown_tool
from flowwright.graphs.view import problem_text
from flowwright.sampling import Sampling
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict

RULES: Final = """Answer the question by thinking and acting in turns. Tools:
{tools}
Reply with one JSON object: {{"thought": "...", "act": "TOOL", "input": "what it has to do"}}, or, when you know the
answer, {{"thought": "...", "act": null, "input": ""}}."""


class Step(BaseModel):
    """What the model says in one turn."""

    model_config = ConfigDict(strict=True)

    thought: str
    act: str | None
    """Name of a tool; None: the answer is known."""
    input: str


class ReAct(System):
    """The system `react`."""

    name = "react"
    presets = MappingProxyType(
        {
            "default": Preset(
                name="default",
                operators=("CALCULATOR", "PYTHON", "DEFAULT"),
                budget=Budget(turns=8, calls=40, repairs=1),
                designer=Sampling(temperature=0.0, max_tokens=512),
                added=True,
            )
        }
    )

    def messages(self, scene: Scene) -> list[BaseMessage]:
        """The rules, the question, and what was done so far."""
        done = "\n".join(chronicle(scene))
        asked = f"<problem>\n{problem_text(scene)}\n</problem>\n<done>\n{done}\n</done>"
        return [SystemMessage(RULES.format(tools=scene.registry.catalogue())), HumanMessage(asked)]

    def schema(self, scene: Scene) -> dict[str, Any]:
        """One step."""
        return Step.model_json_schema()

    def shape(self, action: dict[str, Any]) -> dict[str, Any]:
        """A step."""
        return Step.model_validate(action).model_dump()

    def decide(self, action: dict[str, Any], scene: Scene) -> Decision:
        """The call, or the end."""
        step = Step.model_validate(action)
        if step.act is None:
            return Finish(None, step.thought)
        tool = resolve_tool(step.act, scene.registry)
        if tool is None:
            raise Refused([unknown_tool(step.act, scene.registry, "act")])
        turn = scene.state["run"]["turn"]
        call = Planned(
            id=f"op_{turn}_1", at=[turn, 1], operator=tool, instruction=step.input, inputs=[PROBLEM],
            output=scene.memory.next_key("observation"), arguments=None, node=None,
        )  # fmt: skip
        return Plan([call], step.thought)

    def closing(self, scene: Scene) -> Closing:
        """The answer, from the question and what was done."""
        inputs = {PROBLEM: scene.memory[PROBLEM]["content"], "done": "\n".join(chronicle(scene)) or "(nothing)"}
        return Closing(None, scene.preset.closing, "Answer from what was found out.", inputs)
