"""DyFlow (arXiv 2509.26062): a designer plans one stage of operators at a time from a view of what happened. Here a
stage is validated whole, failures reach the designer, and finishing is a decision, never a side effect of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

from langchain_core.messages import BaseMessage

from ..operators.prompt import Prompt
from ..sampling import Sampling
from .budget import Budget
from .decision import Decision, Finish, GiveUp
from .design import FinishDesign, GiveUpDesign, StageDesign, design_of, design_schema
from .evidence import is_candidate
from .faults import Fault, Refused, fault
from .operation import Operation
from .system import Preset, Scene, System
from .view import problem_text, state_view
from .wiring import wire

DESIGNER: Final = Prompt.load("flowwright.graphs", "dyflow_designer")
PUBLISHED_FINISH: Final = {
    "ORGANIZE_SOLUTION": "alone in its stage: end the run, the answer is written from its last input",
    "TERMINATE": "alone in its stage: end the run with the candidate under its last input",
}
"""Operators by which a published design ends the run."""
REVIEWS_IN_A_ROW: Final = 3

DEFAULT: Final = Preset(
    name="default",
    operators=(
        "DECOMPOSE_PROBLEM", "GENERATE_PLAN", "GENERATE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE", "REVIEW_SOLUTION",
        "REFINE_ANSWER", "GENERATE_CODE", "REFINE_CODE", "TEST_CODE", "DEFAULT",
    ),
    budget=Budget(turns=8, operations=32, calls=100, repairs=2, seconds=1800),
    designer=Sampling(temperature=0.1, max_tokens=1500),
    added=True,
)  # fmt: skip

PAPER: Final = Preset(
    name="paper",
    operators=(
        "GENERATE_PLAN", "DECOMPOSE_PROBLEM", "GENERATE_ANSWER", "REVIEW_SOLUTION", "REFINE_ANSWER", "GENERATE_CODE",
        "REFINE_CODE", "ENSEMBLE", "DEFAULT",
    ),
    budget=Budget(turns=8, repairs=2),
    designer=Sampling(temperature=0.01, max_tokens=1500),
    executor=Sampling(temperature=0.01, max_tokens=2048),
    endings=tuple(PUBLISHED_FINISH),
    source="operators: Table 6; temperature 0.01 for designer and executor: section 4; T_max is not stated in the "
    "paper, the released code stops after 8 iterations",
)  # fmt: skip


class DyFlow(System):
    """The system `dyflow`."""

    name = "dyflow"
    presets = MappingProxyType({preset.name: preset for preset in (DEFAULT, PAPER)})

    def messages(self, scene: Scene) -> list[BaseMessage]:
        """Rules and operators first, then the problem, then what changes from turn to turn."""
        endings = [f"- {name}: {PUBLISHED_FINISH[name]}" for name in scene.preset.endings]
        values = {
            "catalogue": "\n".join((scene.registry.catalogue(), *endings)),
            "problem": problem_text(scene),
            "view": state_view(scene, self.warnings(scene)),
        }
        return DESIGNER.chat().format_messages(**values)

    def schema(self, scene: Scene) -> dict[str, Any]:
        """A stage, a finish or a surrender."""
        return design_schema([*scene.registry, *scene.preset.endings])

    def shape(self, action: dict[str, Any]) -> dict[str, Any]:
        """`action` itself, once it has the shape of a decision."""
        design_of(action)
        return action

    def decide(self, action: dict[str, Any], scene: Scene) -> Decision:
        """The plan, the finish or the surrender that `action` asks for."""
        match design_of(action):
            case GiveUpDesign(give_up=reason):
                return GiveUp(reason)
            case FinishDesign(finish=reference, reason=reason):
                return finish(reference, reason, scene)
            case StageDesign() as stage:
                published = published_finish(stage, scene)
                return published or wire(stage, scene)

    def warnings(self, scene: Scene) -> Sequence[Fault]:
        """Loops and the end of the turn budget."""
        return [*review_loop(scene), *last_turns(scene)]


def finish(reference: str, reason: str, scene: Scene) -> Finish:
    """Finishing with the entry `reference`. Refused unless that entry exists and carries an answer."""
    key = scene.memory.resolve(reference)
    candidates = [one["key"] for one in scene.memory.entries if is_candidate(one)]
    if key in candidates and key is not None:
        return Finish(key, reason)
    problem = "is not in memory" if key is None else "carries no answer"
    accepted = f"one of {', '.join(candidates)}" if candidates else 'a stage that makes a candidate, or "give_up"'
    raise Refused(
        [fault("policy", "no_candidate", f"cannot finish with {reference!r}: it {problem}", expected=accepted)]
    )


def published_finish(stage: StageDesign, scene: Scene) -> Finish | None:
    """The published way to end: ORGANIZE_SOLUTION or TERMINATE alone in a stage means finishing with its last input.
    Mixed with other operators it is refused, because nothing may run after, or instead of, the end."""
    ending = [one for one in stage.operators if one.params.instruction_type in PUBLISHED_FINISH]
    if not ending:
        return None
    if len(stage.operators) > 1:
        name = ending[0].params.instruction_type
        expected = 'the other operators now, and {"finish": KEY} as the next decision'
        raise Refused([fault("policy", "mixed_finish", f"{name} must stand alone", expected=expected)])
    return finish(ending[0].params.input_keys[-1], stage.stage_description, scene)


def review_loop(scene: Scene) -> list[Fault]:
    """A warning when each of the last stages reviewed again, and when a stage repeats the one before."""
    stages = [list(group) for _, group in groupby(scene.state.get("operations", []), key=lambda one: one["turn"])]
    found: list[Fault] = []
    last = stages[-REVIEWS_IN_A_ROW:]
    if len(last) == REVIEWS_IN_A_ROW and all(any(one["operator"] == "REVIEW_SOLUTION" for one in s) for s in last):
        message = f"each of the last {REVIEWS_IN_A_ROW} stages reviewed without settling the matter"
        found.append(fault("policy", "review_loop", message, expected="another approach, an executed check, or an end"))
    if len(stages) > 1 and _work(stages[-1]) == _work(stages[-2]):
        message = "the last stage did the same as the one before"
        found.append(fault("policy", "repeated_stage", message, expected="a different stage"))
    return found


def _work(stage: list[Operation]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one["operator"], one["instruction"], tuple(one["inputs"])) for one in stage]


def last_turns(scene: Scene) -> list[Fault]:
    """A notice on the last turn, and on the one before it."""
    limit, turn = scene.state["budget"].get("turns"), scene.state["run"]["turn"]
    if limit is None or turn < limit - 1:
        return []
    message = "this is the last turn" if turn >= limit else "one turn is left after this one"
    return [fault("budget", "turns_low", message, expected="finish with the best candidate, or give up")]
