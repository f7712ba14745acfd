"""FlowSteer (arXiv 2602.01664): a director edits a canvas, a whole workflow, one action at a time, and sees what each
edit did. Here an edit is a transaction on typed data, only what changed runs, and a finish is told all that it lacks at
once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, cast

from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import TypeAdapter

from ..operators.flowsteer import FLOWSTEER_OPERATORS
from ..operators.prompt import Prompt
from ..policies.action import find_action
from ..policies.reply import Reply
from ..sampling import Sampling
from .budget import Budget
from .canvas.action import Action, Inspect
from .canvas.action import Finish as FinishAction
from .canvas.board import Board
from .canvas.edit import Applied, apply, give_prompt
from .canvas.finish import TRAINING_RULES, FinishRules, unmet
from .canvas.limits import DEFAULT_LIMITS, PUBLISHED_LIMITS, CanvasLimits
from .canvas.schema import action_schema
from .canvas.tags import PromptText, read_tags
from .canvas.walk import Walked, walk
from .canvas.wire import read_json
from .canvas_view import canvas_lines, latest, observation
from .closing import Closing
from .conversation import conversation, told_lines
from .correction import corrections
from .decision import Decision, Finish, Plan
from .dyflow import last_turns
from .evidence import best_candidate
from .faults import Fault, Refused, fault
from .history import LEVELS, Detail, View, counted, fitted, history_lines, tokens_of, turn_facts
from .memory import Memory
from .operation import Planned
from .section import inert_json
from .system import Preset, Reading, Scene, System
from .view import budget_line, feedback_lines, question_text

DIRECTOR, TAGGED = (Prompt.load("flowwright.graphs", f"flowsteer_{name}") for name in ("director", "tags"))
ACTION: Final[TypeAdapter[Action]] = TypeAdapter(Action)
PROMPT_ACTION: Final = "prompt"
"""Action of a reply that is the text of a prompt, in the published two-step form."""


@dataclass(frozen=True)
class CanvasPreset(Preset):
    """A preset with what a canvas needs."""

    limits: CanvasLimits = DEFAULT_LIMITS
    rules: FinishRules = field(default_factory=FinishRules)
    tags: bool = False
    """True: the published tag format, prompts in turns of their own; False: one JSON action with its prompts."""
    context: int = 16_384
    """Tokens of the director's prompt and reply together, by `history.tokens_of`."""


DEFAULT: Final = CanvasPreset(
    name="default",
    operators=tuple(one.name for one in FLOWSTEER_OPERATORS),
    budget=Budget(turns=16, operations=48, calls=140, repairs=2, seconds=1800),
    designer=Sampling(temperature=0.1, max_tokens=2048),
    added=True,
)
PAPER: Final = CanvasPreset(
    name="paper",
    operators=tuple(one.name for one in FLOWSTEER_OPERATORS),
    budget=Budget(turns=20, repairs=0),
    designer=Sampling(temperature=0.6, max_tokens=2048, top_p=0.95),
    executor=Sampling(temperature=0.0, max_tokens=4096),
    limits=PUBLISHED_LIMITS,
    rules=TRAINING_RULES,
    tags=True,
    source="operators, T_max 20, sampling 0.6 and 0.95, context 16,384: section 4 and appendix; finish rules: training",
)


class FlowSteer(System):
    """The system `flowsteer`."""

    name = "flowsteer"
    presets = MappingProxyType({preset.name: preset for preset in (DEFAULT, PAPER)})

    def messages(self, scene: Scene) -> list[BaseMessage]:
        """The conversation so far and what is new, as long as both fit into the token budget; else, and at first, rules
        and operators, the problem, then history, canvas, budget and feedback."""
        board = board_of(scene)
        shown = Shown(scene, board, walked(scene, board), self.warnings(scene))
        said = conversation(scene.state) if scene.state["run"]["attempt"] == 0 else []
        if said:
            going_on = [*said, HumanMessage(shown.news(said))]
            if self.fits(going_on, scene):
                return going_on
        return told_anew(scene, shown)

    def fits(self, messages: Sequence[BaseMessage], scene: Scene) -> bool:
        """Whether prompt and reply fit into the token budget."""
        preset = preset_of(scene)
        return sum(tokens_of(one.text) for one in messages) + (preset.designer.max_tokens or 0) <= preset.context

    def schema(self, scene: Scene) -> dict[str, Any] | None:
        """One action; none for the tag format, which is free text."""
        preset = preset_of(scene)
        return None if preset.tags else action_schema([*scene.registry], preset.limits)

    def shape(self, action: dict[str, Any]) -> dict[str, Any]:
        """`action` with every field it has by default."""
        return as_json(read_json(action))

    def read(self, reply: Reply, scene: Scene) -> Reading:
        """One JSON object, or one action in tags, or the prompt that is awaited. Raises ReplyError, Refused."""
        if not preset_of(scene).tags:
            return Reading(find_action(reply.text, self.shape, finish_reason=reply.finish_reason))
        found = read_tags(reply.text, awaiting=board_of(scene).pending is not None)
        if isinstance(found, PromptText):
            return Reading({"action": PROMPT_ACTION, "text": found.text})
        return Reading(as_json(found))

    def decide(self, action: dict[str, Any], scene: Scene) -> Decision:
        """The edit and what it makes run, or the end."""
        preset, board = preset_of(scene), board_of(scene)
        if action["action"] == PROMPT_ACTION:
            return edited(give_prompt(board, action["text"], limits=preset.limits), scene)
        wanted = ACTION.validate_python(action)
        done = apply(board, wanted, operators=scene.registry, limits=preset.limits, two_step=preset.tags)
        if isinstance(wanted, FinishAction):
            return finished(scene, board)
        looked = observation(scene, walked(scene, board), wanted, board) if isinstance(wanted, Inspect) else ""
        return edited(done, scene, looked)

    def warnings(self, scene: Scene) -> Sequence[Fault]:
        """The end of the turn budget."""
        return last_turns(scene)

    def more(self, scene: Scene) -> list[Planned]:
        """What the results so far made possible on the canvas."""
        board = board_of(scene)
        return walked(scene, board).ready if board.pending is None else []

    def closing(self, scene: Scene) -> Closing:
        """The canvas's own result; where it has none, the best candidate of the nodes that are on it and up to date."""
        board, stop = board_of(scene), scene.state.get("stop")
        if stop and stop["candidate"]:
            return Closing(stop["candidate"])
        found = walked(scene, board)
        keys = {one["key"] for one in found.status.values() if one["key"]}
        standing = Memory([one for one in scene.memory.entries if one["key"] in keys])
        return Closing(found.result or best_candidate(standing))


@dataclass(frozen=True)
class Shown:
    """The changing part of a director's prompt."""

    scene: Scene
    board: Board
    found: Walked
    """How far the canvas has come: the same for every level of detail that is tried."""
    warnings: Sequence[Fault]

    def view(self, detail: Detail) -> View:
        """Problem and state in this much detail."""
        problem = question_text(self.scene, detail.problem)
        canvas = canvas_lines(self.scene, self.board, self.found, detail)
        return View(problem, self.sections(detail, history_lines(self.scene.state, detail), canvas))

    def news(self, said: list[BaseMessage]) -> str:
        """What has changed since the conversation `said`: turns, and nodes of which something else is to be told."""
        detail, known = LEVELS[0], latest(told_lines(said))
        turns = [one for one in self.scene.state["turns"] if one["turn"] == self.scene.state["turns"][-1]["turn"]]
        history = (json.dumps(turn_facts(one), ensure_ascii=False) for one in turns)
        lines = canvas_lines(self.scene, self.board, self.found, detail)
        return self.sections(detail, history, (one for one in lines if inert_json(one) not in known))

    def sections(self, detail: Detail, history: Iterator[str], canvas: Iterator[str]) -> str:
        """The state, section by section; what only grows comes first."""
        feedback = [*self.observed(), *feedback_lines(self.scene, self.warnings)]
        parts = (
            section("history", history),
            section("canvas", canvas),
            section("budget", [budget_line(self.scene.state)]),
            section("feedback", counted(feedback, detail.faults)),
        )
        return "\n".join(parts)

    def observed(self) -> Iterator[str]:
        """What the last decision brought to light."""
        turns = self.scene.state.get("turns", [])
        if turns and turns[-1]["observation"]:
            yield turns[-1]["observation"]


def told_anew(scene: Scene, shown: Shown) -> list[BaseMessage]:
    """The whole prompt, in as much detail as fits."""
    preset = preset_of(scene)
    prompt = (TAGGED if preset.tags else DIRECTOR).chat()
    constant = {"catalogue": scene.registry.catalogue(), "rules": preset.rules.told}
    said = [*prompt.format_messages(**constant, problem="", state=""), *corrections(scene.state)]
    spent = sum(tokens_of(message.text) for message in said) + (preset.designer.max_tokens or 0)
    view = fitted(shown.view, preset.context - spent)
    return prompt.format_messages(**constant, problem=view.problem, state=view.state)


def as_json(action: Action) -> dict[str, Any]:
    """An action in JSON-native values, without what is None."""
    return cast(dict[str, Any], ACTION.dump_python(action, mode="json", exclude_none=True))


def section(name: str, lines: Sequence[str] | Iterator[str]) -> str:
    """Lines between an opening and a closing tag."""
    return "\n".join((f"<{name}>", *map(inert_json, lines), f"</{name}>"))


def preset_of(scene: Scene) -> CanvasPreset:
    """The preset, which for this system is one with a canvas."""
    return cast(CanvasPreset, scene.preset)


def board_of(scene: Scene) -> Board:
    """The board as the state has it; an empty one at first."""
    stored = scene.state.get("canvas")
    return Board.of(stored) if stored else Board.empty()


def walked(scene: Scene, board: Board) -> Walked:
    """How far the canvas of `board` has come."""
    return walk(
        board.canvas, memory=scene.memory, operations=scene.state.get("operations", []), registry=scene.registry,
        turn=scene.state["run"]["turn"],
    )  # fmt: skip


def edited(done: Applied, scene: Scene, looked: str = "") -> Plan:
    """The board from now on, and what can start on it. A canvas that still waits for prompts does not run."""
    ready = walked(scene, done.board).ready if done.board.pending is None else []
    return Plan(ready, done.description, canvas=done.board.as_json(), observation=looked, notices=done.notices)


def finished(scene: Scene, board: Board) -> Finish:
    """The end, with the canvas's result. Raises Refused with everything that is missing."""
    found = walked(scene, board)
    answer = None if found.result is None else scene.memory[found.result]
    people_read_it = answer is not None and answer["kind"] != "code"
    text = answer["answer"] or answer["content"] if answer is not None and people_read_it else None
    faults = unmet(board.canvas, preset_of(scene).rules, answer=text)
    if board.canvas.nodes and found.result is None:
        failing = ", ".join(sorted({one["node"] or one["id"] for one in found.failed}))
        why = f"{failing} gave nothing" if failing else "no node of it makes a candidate"
        expected = "an edit that makes the canvas give an answer"
        faults.append(fault("policy", "no_result", f"the canvas has no result: {why}", expected=expected))
    if faults:
        raise Refused(faults)
    return Finish(found.result, "the canvas is finished")
