"""What designers say: by the rules of each system's action, nearly so, or hostile. Drawn from a seeded generator, which
is fast enough for long runs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from canvas_cases import PROMPT, Director, tags
from flowwright.graphs.canvas.board import Board, replayed
from scripted import finish, operator, stage

BOARD: Final = Board.empty()
JUNK: Final = (
    '"',
    "{",
    "}",
    "[",
    "]",
    "\\",
    ",",
    ":",
    "\n",
    "null",
    "NaN",
    "\x1b[2J",
    "</problem>",
    "é",
    "🜁",
    "<action>",
)
HOSTILE: Final = (
    "", " ", "{" * 3_000, "[" * 3_000 + "]" * 3_000, "\ud800 lone surrogate", "🜁" * 6_000, "</problem><budget>{}</budget>",
    '{"operators": null, "finish": null, "give_up": null}', '{"action": null}', '{"steps": [[[[{}]]]]}', "<think>" * 50,
    '{"action": "finish", "answer": "' + "9" * 5_000 + '"}', "<prompt>" * 200, "<action>add</action>" * 60, "null", "[]",
    "Tool Name: \nContext: \nSub-Goal: ", '{"finish": "\\u0000"}', '{"give_up": ""}', "I would rather not.", '"finish"',
)  # fmt: skip
"""Said to every system."""
CALLS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("GENERATE_ANSWER", {}), ("DEFAULT", {}), ("PYTHON", {}), ("MULTIPLY", {"arguments": {"a": 6, "b": 7}}),
    ("SELF_CONSISTENCY_ENSEMBLE", {}), ("calculator", {"arguments": {"expression": "6*7"}}),
)  # fmt: skip
"""Tools with arguments that fit, where any are given."""
TOOLS: Final = (
    "GENERATE_ANSWER", "DEFAULT", "CALCULATOR", "PYTHON", "MULTIPLY", "SELF_CONSISTENCY_ENSEMBLE", "calculator",
    "`CALCULATOR`", "2. Python (a tool)", "Generate Answer", "ORACLE", "", "__class__", "os.system", "ORGANIZE_SOLUTION",
)  # fmt: skip
STAGED: Final = (
    "GENERATE_ANSWER", "REVIEW_SOLUTION", "REFINE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE", "GENERATE_PLAN", "GENERATE_CODE",
    "TEST_CODE", "DEFAULT", "ORGANIZE_SOLUTION", "TERMINATE", "os.system", "generate_answer",
)  # fmt: skip
KEYS: Final = (
    "problem", "problem@1", "original_problem", "<<problem>>", "draft", "plan", "result", "result@99", "__class__", "",
    "../../etc/passwd", "problem.content", "@", "a" * 60, "{x}", "\x00", "draft@-1", "draft@1e9", "memory.draft@1",
)  # fmt: skip
ADD: Final = {"action": "add", "prompt": PROMPT}
ARGUMENTS: Final[tuple[dict[str, Any] | None, ...]] = (
    None, {}, {"expression": "6*7"}, {"expression": 3}, {"a": 6, "b": 7}, {"a": "6"}, {"code": "print(42)"},
    {"expression": "__import__('os')"}, {"a": {"a": [{}]}}, {"__class__": 1},
)  # fmt: skip


@dataclass
class Said:
    """One reply, and why it ended."""

    text: str
    finish_reason: str = "stop"


class Speaker:
    """Draws replies of one system's designer."""

    def __init__(self, rng: random.Random) -> None:
        self.random = rng

    def reply(self, keys: Sequence[str], board: Board) -> Said:
        """A reply of a designer that knows these memory keys and this canvas."""
        way = self.random.random()
        if way < 0.04:
            return Said(self.random.choice(HOSTILE))
        text = self.action(keys, board)
        if way < 0.85:
            return Said(text)
        if way < 0.88:
            return Said(text, "length")
        if way < 0.92:
            return Said(f"<think>{text}</think>\nSo be it.\n```json\n{text}\n```")
        return Said(mutated(text, self.random))

    def action(self, keys: Sequence[str], board: Board) -> str:
        """What it means to say, well written."""
        raise NotImplementedError

    def ending(self, board: Board) -> list[str]:
        """Replies that end a run of this canvas well, whatever was said before, if every operator answers."""
        raise NotImplementedError

    def key(self, keys: Sequence[str]) -> str:
        return self.random.choice(keys if keys and self.random.random() < 0.85 else KEYS)

    def some(self, least: int, most: int) -> range:
        return range(self.random.choice((least, least, *range(least, most + 1))))

    def end(self, *ends: str) -> str | None:
        return self.random.choice(ends) if self.random.random() < 0.06 else None


class Stager(Speaker):
    """DyFlow's designer."""

    def action(self, keys: Sequence[str], board: Board) -> str:
        if end := self.end(finish(self.key(keys)), '{"give_up": "too hard"}'):
            return end
        careful = self.random.random() < 0.6
        return stage(*(self.operator(keys, number, careful=careful) for number in self.some(1, 5 if careful else 8)))

    def ending(self, board: Board) -> list[str]:
        return [stage(operator("GENERATE_ANSWER", ["problem"], "last")), finish("last")]

    def operator(self, keys: Sequence[str], number: int, *, careful: bool) -> dict[str, Any]:
        if careful:
            earlier = [*keys, *(f"out{one}" for one in range(1, number))]
            inputs = ["problem", *(self.random.choice(earlier) for _ in self.some(0, 3))]
            return operator(self.random.choice(STAGED[:8]), list(dict.fromkeys(inputs)), f"out{number}")
        inputs = [self.key((*keys, "a", "b")) for _ in self.some(0, 4)]
        return operator(self.random.choice(STAGED), inputs, self.random.choice(("a", "b", self.key(keys))))


class Planner(Speaker):
    """AgentFlow's planner."""

    def action(self, keys: Sequence[str], board: Board) -> str:
        if end := self.end('{"finish": "all is known"}', '{"give_up": "too hard"}'):
            return end
        step = self.step(keys, careful=True)
        if self.random.random() < 0.15:
            return f"Context: {self.key(keys)}\nSub-Goal: {step['sub_goal']}\nTool Name: {step['tool']}"
        if self.random.random() < 0.15:
            return json.dumps({"tool_name": step.pop("tool"), "context": self.key(keys), **step})
        careful = self.random.random() < 0.6
        steps = [self.step(keys, careful=careful) for _ in self.some(1, 4 if careful else 6)]
        return json.dumps({"justification": "next", "steps": steps})

    def ending(self, board: Board) -> list[str]:
        last = {"tool": "GENERATE_ANSWER", "sub_goal": "answer"}
        return [json.dumps({"steps": [last]}), '{"finish": "it is answered"}']

    def step(self, keys: Sequence[str], *, careful: bool) -> dict[str, Any]:
        if careful:
            tool, arguments = self.random.choice(CALLS)
            inputs = [self.random.choice(keys) for _ in self.some(0, 3)]
            return {"tool": tool, "sub_goal": "find it", "inputs": inputs, **arguments}
        inputs = [self.key(keys) for _ in self.some(0, 3)]
        step = {"tool": self.random.choice(TOOLS), "sub_goal": self.random.choice(("find it", "")), "inputs": inputs}
        return {**step, "arguments": self.random.choice(ARGUMENTS)}


class Editor(Speaker):
    """FlowSteer's director, with one JSON action."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.director = Director(rng.randrange(2**31))

    def action(self, keys: Sequence[str], board: Board) -> str:
        self.director.ids = [node.id for node in board.canvas.walk()]
        return self.drawn(board).replace("Custom", self.random.choice(("Custom", "Custom", "MULTIPLY")))

    def drawn(self, board: Board) -> str:
        return json.dumps(self.director.json_action()).replace(PROMPT, self.prompt())

    def ending(self, board: Board) -> list[str]:
        """All that stands there is deleted first."""
        gone = [{"action": "delete", "target": node.id} for node in board.canvas.nodes]
        return [json.dumps(one) for one in (*gone, {**ADD, "operator": "AnswerGenerate"}, {"action": "finish"})]

    def prompt(self) -> str:
        return self.random.choice((PROMPT, PROMPT, "很" * 1_900, "word " * 390))


class Tagger(Editor):
    """FlowSteer's director in the published format."""

    def drawn(self, board: Board) -> str:
        if board.pending is not None and self.random.random() < 0.6:
            return self.prompt()
        return self.director.reply()

    def ending(self, board: Board) -> list[str]:
        """A pending edit is cancelled first; what a structure was begun with goes with it."""
        cancelled = replayed(board.edits)
        cancel = [tags("cancel")] if board.pending is not None else []
        gone = [tags("delete", target=node.id) for node in cancelled.nodes]
        fork = [tags("add", structure="parallel", operators="AnswerGenerate, AnswerGenerate"), PROMPT, PROMPT]
        line = [said for name in ("Aggregate", "Verify", "Revise") for said in (tags("add", operator=name), PROMPT)]
        return [*cancel, *gone, *fork, *line, tags("finish")]


SPEAKERS: Final[dict[tuple[str, str], Callable[[random.Random], Speaker]]] = {
    ("dyflow", "default"): Stager,
    ("dyflow", "paper"): Stager,
    ("agentflow", "default"): Planner,
    ("flowsteer", "default"): Editor,
    ("flowsteer", "paper"): Tagger,
}
"""By system and preset."""


def mutated(text: str, rng: random.Random) -> str:
    """`text` with a few characters cut, doubled, swapped or replaced."""
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.randrange(1, 20))
        junk = rng.choice(JUNK)
        text = rng.choice([text[:at] + text[end:], text[:at] + junk + text[at:], text[:end] + text[at:], text[at:]])
    return text
