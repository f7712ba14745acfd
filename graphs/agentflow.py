"""AgentFlow (arXiv 2510.05592): a planner names a tool and a sub-goal per turn; executor, verifier and generator
follow, and all share one memory. Here a call is arguments checked against a schema, memory only grows, and the planner
knows what it has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from langchain_core.messages import BaseMessage

from ..operators.arguments import BadArguments, check_arguments
from ..operators.context import excerpt
from ..operators.prompt import Prompt
from ..operators.registry import Registry
from ..operators.tools.result import NOTHING
from ..policies.reply import Reply
from ..sampling import Sampling
from .budget import Budget
from .chronicle import chronicle
from .closing import Closing
from .decision import Decision, Finish, GiveUp, Plan
from .design import FinishDesign, GiveUpDesign
from .dyflow import last_turns
from .faults import Fault, Refused, fault
from .judgement import Judgement
from .memory import PROBLEM, Entry
from .operation import Planned
from .question import Question
from .section import inert, inert_json
from .step import StepDesign, StepsDesign, decided, from_flat, steps_schema
from .step_reply import read_step
from .system import Preset, Reading, Scene, System
from .tool_name import resolve_tool, unknown_tool
from .verdict import read_verdict, verdict_schema
from .view import budget_line, feedback_lines, question_text

PACKAGE: Final = "flowwright.graphs"
PLANNER, ANALYST, VERIFIER = (
    Prompt.load(PACKAGE, f"agentflow_{name}") for name in ("planner", "analysis", "verifier")
)  # fmt: skip
HELPER: Final = Sampling(temperature=0.0, max_tokens=1024)
"""Decoding of analysis and verdict: the paper's 0.0 for every module but the planner."""
ANSWER: Final = "Answer from what memory holds."

DEFAULT: Final = Preset(
    name="default",
    operators=("PYTHON", "CALCULATOR", "ALGEBRA", "GENERATE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE", "DEFAULT"),
    budget=Budget(turns=10, operations=24, calls=80, repairs=2, seconds=1800),
    designer=Sampling(temperature=0.1, max_tokens=1500),
    added=True,
)
EXPOSITION: Final = replace(DEFAULT, name="exposition", closing="FULL_ANSWER")
PAPER: Final = Preset(
    name="paper",
    operators=("DEFAULT", "Programmer"),
    budget=Budget(turns=10, repairs=1, seconds=300),
    designer=Sampling(temperature=0.7, max_tokens=2048),
    executor=Sampling(temperature=0.0, max_tokens=2048),
    added=True,
    source="turns and temperatures at test time: section 4; its generalist and coder; search tools are the caller's",
)


class AgentFlow(System):
    """The system `agentflow`."""

    name = "agentflow"
    presets = MappingProxyType({preset.name: preset for preset in (DEFAULT, EXPOSITION, PAPER)})

    def messages(self, scene: Scene) -> list[BaseMessage]:
        """Rules and tools, the question, its analysis, then memory, which only grows; what changes comes last."""
        return PLANNER.chat().format_messages(**shown(scene, self.warnings(scene)))

    def schema(self, scene: Scene) -> dict[str, Any]:
        """Steps, a finish or a surrender."""
        return steps_schema([*scene.registry])

    def shape(self, action: dict[str, Any]) -> dict[str, Any]:
        """`action` as a list of steps, whichever form it came in."""
        return from_flat(action)[0]

    def read(self, reply: Reply, scene: Scene) -> Reading:
        """One JSON object, or labelled lines, and the registry's own tool names. Raises ReplyError."""
        action, notices = read_step(reply)
        return normalized(action, notices, scene.registry)

    def decide(self, action: dict[str, Any], scene: Scene) -> Decision:
        """The calls, the finish or the surrender that `action` asks for."""
        match decided(action):
            case GiveUpDesign(give_up=reason):
                return GiveUp(reason)
            case FinishDesign(finish=reason):
                return Finish(None, reason)
            case StepsDesign() as steps:
                return plan(steps, scene)

    def warnings(self, scene: Scene) -> Sequence[Fault]:
        """A repeated call, and the end of the turn budget."""
        return [*repeated_call(scene), *last_turns(scene)]

    def opening(self, scene: Scene) -> Question:
        """The query analysis."""
        values = {"catalogue": scene.registry.catalogue(), "problem": question_text(scene)}
        return Question(ANALYST.chat().format_messages(**values), HELPER)

    def review(self, scene: Scene) -> Question | None:
        """Whether to stop, asked after each turn in which something ran."""
        run = scene.state["run"]
        if not any(one["turn"] == run["turn"] for one in scene.state.get("operations", [])):
            return None
        return Question(VERIFIER.chat().format_messages(**shown(scene)), HELPER, verdict_schema())

    def judge(self, reply: Reply, scene: Scene) -> Judgement:
        """The verdict; a stop needs at least one call that succeeded."""
        judgement = read_verdict(reply)
        if judgement.stop and not any(map(is_success, scene.memory.entries)):
            return replace(judgement, stop=False, flag="no_success")
        return judgement

    def closing(self, scene: Scene) -> Closing:
        """The answer is written from question, analysis and memory; the last result with an answer stands in where no
        model can be asked. Where the planner gave up and no call came to an answer, there is none to write."""
        answered = [one["key"] for one in scene.memory.entries if one["operation"] and one["answer"] is not None]
        stop = scene.state.get("stop")
        if stop is not None and stop["by"] == "designer" and not stop["settled"] and not answered:
            return Closing(None)
        inputs = {PROBLEM: scene.memory[PROBLEM]["content"], "analysis@1": analysis_of(scene)}
        inputs["memory"] = "\n".join(chronicle(scene)) or "(no calls were made)"
        return Closing(None, scene.preset.closing, ANSWER, inputs, fallback=answered[-1] if answered else None)


def normalized(action: dict[str, Any], notices: list[str], registry: Registry) -> Reading:
    """`action` with the registry's own tool names, and a notice for each that was written otherwise."""
    steps = []
    for step in action.get("steps", ()):
        tool = resolve_tool(step["tool"], registry) or step["tool"]
        if tool != step["tool"]:
            notices.append(f"the tool's name was written {step['tool'][:80]!r}")
        steps.append({**step, "tool": tool})
    return Reading({**action, "steps": steps} if steps else action, notices)


def shown(scene: Scene, warnings: Sequence[Fault] = ()) -> dict[str, str]:
    """What planner and verifier read, constant parts first."""
    feedback = "\n".join(("<feedback>", *map(inert_json, feedback_lines(scene, warnings)), "</feedback>"))
    return {
        "catalogue": scene.registry.catalogue(), "problem": question_text(scene),
        "analysis": inert(analysis_of(scene)),
        "memory": "\n".join(chronicle(scene)), "state": f"<budget>\n{budget_line(scene.state)}\n</budget>\n{feedback}",
    }  # fmt: skip


def analysis_of(scene: Scene) -> str:
    """The query analysis; a word that says so where there is none."""
    return next((one["content"] for one in scene.memory.entries if one["kind"] == "analysis"), "(no analysis)")


def is_success(one: Entry) -> bool:
    """Whether an entry is what a call gave: neither nothing nor an error."""
    return one["operation"] is not None and one["content"] != NOTHING and one["data"].get("status") != "error"


def plan(design: StepsDesign, scene: Scene) -> Plan:
    """The calls of one turn. Raises Refused with every unmet constraint at once."""
    faults: list[Fault] = []
    planned: list[Planned] = []
    turn = scene.state["run"]["turn"]
    name, _, version = scene.memory.next_key("result").partition("@")
    for index, step in enumerate(design.steps, start=1):
        tool = resolve_tool(step.tool, scene.registry)
        if tool is None:
            faults.append(unknown_tool(step.tool, scene.registry, f"step {index}"))
        elif step.arguments is not None:
            faults += argument_faults(step, tool, scene, index)
        inputs, unknown = resolve_inputs(step, scene, index)
        faults += unknown
        one = Planned(
            id=f"op_{turn}_{index}", at=[turn, index], operator=tool or step.tool, instruction=instruction(step),
            inputs=inputs, output=f"{name}@{int(version) + index - 1}", arguments=step.arguments, node=None,
        )  # fmt: skip
        planned.append(one)
    if faults:
        raise Refused(faults)
    return Plan(planned, "; ".join(excerpt(step.sub_goal, 200) for step in design.steps))


def instruction(step: StepDesign) -> str:
    """What the executor is told: the sub-goal, and the planner's context."""
    return f"{step.sub_goal}\n\nContext: {step.context}" if step.context.strip() else step.sub_goal


def argument_faults(step: StepDesign, tool: str, scene: Scene, index: int) -> list[Fault]:
    """What is wrong with arguments that the planner gave itself."""
    template = scene.registry[tool]
    if template.parameters is None:
        message = f"step {index}: {tool} takes no arguments"
        return [fault("policy", "no_arguments", message, expected="a step without arguments")]
    try:
        check_arguments(tool, template.parameters, step.arguments)
    except BadArguments as error:
        return [fault("policy", "bad_arguments", f"step {index}: {error.message}", expected=error.fix)]
    return []


def resolve_inputs(step: StepDesign, scene: Scene, index: int) -> tuple[list[str], list[Fault]]:
    """Exact keys of a step's inputs; the question always comes first."""
    keys, faults = [PROBLEM], []
    for reference in step.inputs:
        key = scene.memory.resolve(reference)
        if key is None:
            known = ", ".join([one["key"] for one in scene.memory.entries][-40:])
            message = f"step {index}: no memory entry {reference[:80]!r}"
            faults.append(fault("policy", "unknown_key", message, expected=f"one of {known}"))
        elif key not in keys:
            keys.append(key)
    return keys, faults


def repeated_call(scene: Scene) -> list[Fault]:
    """A warning when the last turn made a call that was made before."""
    operations = scene.state.get("operations", [])
    last = operations[-1]["turn"] if operations else 0
    earlier = [(one["operator"], one["instruction"], one["inputs"]) for one in operations if one["turn"] < last]
    found = [one for one in operations if one["turn"] == last]
    if not any((one["operator"], one["instruction"], one["inputs"]) in earlier for one in found):
        return []
    message = "the last turn repeated a call that was made before"
    return [fault("policy", "repeated_call", message, expected="another tool, sub-goal or context, or the end")]
