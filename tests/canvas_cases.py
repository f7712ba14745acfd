"""Canvases, actions and replies for the tests of the canvas: a session that speaks either wire format, and strategies
that draw what a director may say."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass, field
from typing import Any, Final

from flowwright.graphs.canvas.action import Action
from flowwright.graphs.canvas.board import Board
from flowwright.graphs.canvas.change import node_of
from flowwright.graphs.canvas.dsl import dsl_of
from flowwright.graphs.canvas.edit import Applied, apply, give_prompt
from flowwright.graphs.canvas.limits import DEFAULT_LIMITS, PUBLISHED_LIMITS, CanvasLimits
from flowwright.graphs.canvas.node import Canvas
from flowwright.graphs.canvas.predicate import FAILS, Answered, Passes, Support, VerdictIn
from flowwright.graphs.canvas.spec import ConditionalSpec, LoopSpec, OperatorSpec, ParallelSpec
from flowwright.graphs.canvas.tags import PromptText, read_tags
from flowwright.graphs.canvas.wire import read_json
from flowwright.graphs.faults import Fault, Refused
from flowwright.operators.flowsteer import FLOWSTEER_OPERATORS
from flowwright.operators.template import OperatorTemplate
from hypothesis import strategies as st

OPERATORS: Final[dict[str, OperatorTemplate]] = {operator.name: operator for operator in FLOWSTEER_OPERATORS}
PROMPT: Final = "Work it out step by step."


@dataclass
class Session:
    """A board and what was said to it: dictionaries are JSON actions, text is the published tag format."""

    board: Board = field(default_factory=Board.empty)
    limits: CanvasLimits = DEFAULT_LIMITS
    two_step: bool = False

    def say(self, said: dict[str, Any] | str | Action) -> Applied:
        """Reads and applies; the board changes only if that succeeds."""
        if isinstance(said, str):
            found = read_tags(said, awaiting=self.board.pending is not None)
            if isinstance(found, PromptText):
                return self.took(give_prompt(self.board, found.text, limits=self.limits))
            said = found
        action = read_json(said) if isinstance(said, dict) else said
        return self.took(apply(self.board, action, operators=OPERATORS, limits=self.limits, two_step=self.two_step))

    def took(self, applied: Applied) -> Applied:
        self.board = applied.board
        return applied

    def refused(self, said: dict[str, Any] | str | Action) -> list[Fault]:
        """The faults of something that must be refused and must leave the board as it was."""
        before = self.board.as_json()
        try:
            applied = self.say(said)
        except Refused as refused:
            assert self.board.as_json() == before
            return refused.faults
        raise AssertionError(f"accepted: {applied.description}")

    def add(self, *names: str) -> Session:
        """Operators at the end."""
        for name in names:
            self.say({"action": "add", "operator": name, "prompt": PROMPT})
        return self

    @property
    def dsl(self) -> str:
        return dsl_of(self.board.canvas)

    @property
    def ids(self) -> list[str]:
        return [node.id for node in self.board.canvas.walk()]


def published() -> Session:
    """A session in the published format, with prompts in turns of their own."""
    return Session(limits=PUBLISHED_LIMITS, two_step=True)


def one(name: str, prompt: str | None = PROMPT) -> dict[str, Any]:
    """An operator within a structure."""
    return {"kind": "operator", "operator": name, "prompt": prompt}


def parallel(*names: str, **more: Any) -> dict[str, Any]:
    """A parallel of single operators."""
    return {"action": "parallel", "branches": [[one(name)] for name in names], **more}


def codes(faults: list[Fault]) -> list[str]:
    """The codes of faults, in order."""
    return [fault["code"] for fault in faults]


def tags(action: str, **fields: str) -> str:
    """An action in tags."""
    return "".join(f"<{name}>{text}</{name}>" for name, text in {"action": action, **fields}.items())


names = st.sampled_from([*OPERATORS, "my tool", "a-b", "done", "when", "é", 'q"]', "x -> y", "until", "not"])
predicates = st.one_of(
    st.just(FAILS),
    st.builds(Passes, negate=st.booleans()),
    st.builds(
        VerdictIn,
        among=st.lists(st.sampled_from(["accept", "reject", "minor_issues"]), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Support, at_least=st.floats(0, 1), negate=st.booleans()),
    st.builds(Answered, negate=st.booleans()),
)
operators = st.builds(OperatorSpec, operator=names)


def _structures(inner: Any) -> Any:
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(ParallelSpec, branches=st.lists(some, min_size=2, max_size=3).map(tuple)),
        st.builds(ConditionalSpec, condition=operators, when=predicates, then=some, otherwise=st.just(()) | some),
        st.builds(LoopSpec, body=some, times=st.integers(1, 99), until=st.none() | predicates),
    )


specs = st.recursive(operators, _structures, max_leaves=12)


def canvas_with(parts: list[Any]) -> Canvas:
    """The canvas of these specs, without prompts."""
    numbers = itertools.count(1)
    nodes = tuple(node_of(part, numbers) for part in parts)
    return Canvas(nodes=nodes, next_number=next(numbers))


canvases = st.lists(specs, max_size=4).map(canvas_with)
"""Whatever can be drawn, within limits or not."""


class Director:
    """Draws what a director may say, good and bad, from a seeded generator: fast, for long runs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ids: list[str] = ["node_1", "node_2", "node_3"]
        """Ids that it mostly speaks of."""

    def good(self) -> bool:
        return self.random.random() < 0.93

    def name(self) -> str:
        wrong = ["custom", "Foo", "", "done", "node_1"]
        return self.random.choice([*OPERATORS] if self.good() else wrong)

    def node(self) -> str:
        return self.random.choice(self.ids if self.ids and self.good() else ["node_1", "node_99", "node_2_p1", ""])

    def count(self) -> int:
        return self.random.choice([1, 2, 3, 4, 5] if self.good() else [10, 0, -1, 50])

    def prompt(self) -> Any:
        return (
            PROMPT if self.good() else self.random.choice(["ok", "", "x" * 2_001, "a\x00b c d", "<action>add</action>"])
        )

    def predicate(self) -> Any:
        fair = [
            {"test": "passes"}, {"test": "passes", "negate": True}, {"test": "verdict", "among": ["accept"]},
            {"test": "support", "at_least": 0.5}, {"test": "answered"},
        ]  # fmt: skip
        return self.random.choice(fair if self.good() else [{"test": "luck"}, {"test": "verdict", "among": []}])

    def maybe(self, value: Any) -> Any:
        return value if self.random.random() < 0.15 else None

    def nodes(self, depth: int) -> list[Any]:
        return [self.spec(depth) for _ in range(self.random.choice([1, 1, 1, 2]) if self.good() else 0)]

    def checker(self) -> str:
        return self.random.choice(["Test", "Review", "Verify"]) if self.good() else self.name()

    def spec(self, depth: int) -> Any:
        kind = self.random.choice([*["operator"] * 7, "parallel", "conditional", "loop"])
        if kind == "operator" or depth == 0:
            return one(self.name(), self.maybe(self.prompt()) or PROMPT)
        return {"kind": kind, **self.shape(kind, depth - 1)}

    def shape(self, kind: str, depth: int) -> dict[str, Any]:
        if kind == "parallel":
            return {
                "branches": [
                    self.nodes(depth) for _ in range(self.random.choice([2, 2, 3] if self.good() else [0, 1, 6]))
                ]
            }
        if kind == "loop":
            return {"body": self.nodes(depth), "times": self.maybe(self.count()), "until": self.maybe(self.predicate())}
        return {
            "condition": one(self.checker()), "then": self.nodes(depth), "otherwise": self.maybe(self.nodes(depth)) or [],
            **({"when": self.predicate()} if self.random.random() < 0.2 else {}),
        }  # fmt: skip

    def place(self) -> dict[str, Any]:
        parts = ["then", "otherwise", "body", "branch_1", "new_branch"] if self.good() else ["branch_0", "nowhere"]
        slot = {"node": self.node(), "part": self.random.choice(parts)}
        return {"after": self.maybe(self.node()), "into": self.maybe(slot), "position": self.maybe(self.count())}

    def json_action(self) -> Any:
        """One JSON action, mostly well formed."""
        kind = self.random.choice([*["add"] * 4, "parallel", "conditional", "loop", *["other"] * 4, "wild"])
        if kind == "add":
            return {
                "action": "add",
                "operator": self.name(),
                "prompt": self.maybe(self.prompt()) or PROMPT,
                **self.place(),
            }
        if kind == "wild":
            return self.random.choice([
                {}, {"action": None}, {"action": "remove", "target": "node_1"}, {"action": ["add"]}, {"action": "add"},
                {"action": "add", "operator": 3}, {"action": "finish", "answer": {}}, {"action": "undo", "edits": "1"},
                {"action": "loop", "body": {}, "times": 1.5}, {"action": "parallel", "branches": [None]},
            ])  # fmt: skip
        if kind == "other":
            return self.other()
        return {"action": kind, **self.shape(kind, 2), **(self.place() if self.random.random() < 0.5 else {})}

    def other(self) -> dict[str, Any]:
        node = self.node()
        return self.random.choice([
            {"action": "delete", "target": node}, {"action": "delete", "target": node},
            {"action": "modify", "target": node, "operator": self.maybe(self.name()), "prompt": self.maybe(self.prompt()),
             "times": self.maybe(self.count()), "until": self.maybe("never"), "when": self.maybe(self.predicate())},
            {"action": "set_prompt", "target": node, "prompt": self.prompt()}, {"action": "finish", "answer": "42"},
            {"action": "cancel"}, {"action": "undo", "edits": self.count()}, {"action": "inspect", "node": node},
            {"action": "inspect", "node": node, "span": [self.count(), self.count()]},
        ])  # fmt: skip

    def reply(self) -> str:
        """One reply in tags, or nearly."""
        some = ", ".join(self.name() for _ in range(self.random.choice([2, 2, 3] if self.good() else [0, 1])))
        said = self.random.choice([
            tags("add", operator=self.name()), tags("add", operator=self.name()), tags("add", operator=self.name(), prompt=self.prompt()),
            tags("add", operator=self.name(), position=str(self.count())),
            tags("add", structure="parallel", operators=some),
            tags("add", structure="conditional", condition=self.checker(), true=self.name(), false=self.name()),
            tags("add", structure="loop", operators=some, count=str(self.count())),
            tags("add", structure="loop", operators=some), tags("delete", target=self.node()),
            tags("modify", target=self.node(), operator=self.name()),
            tags("set_prompt", target=self.node(), prompt=self.prompt()), tags("finish"), tags("cancel"), tags("undo"),
            tags("inspect", target=self.node()), tags("remove", target=self.node()), "Let me test this first.", "", "ok",
            "<action>add<operator>Custom</operator>", json.dumps(self.other()), PROMPT, PROMPT, PROMPT, PROMPT,
        ])  # fmt: skip
        return self.bent(said)

    def bent(self, said: str) -> str:
        """The reply in one of the ways models write it, or damaged."""
        way = self.random.random()
        if way < 0.8:
            return said
        if way < 0.85:
            return f"```xml\n{said}\n```"
        if way < 0.9:
            return f"<think>maybe {tags('delete', target='node_1')}</think>\n{said.replace('<', '[').replace('>', ']')}"
        cut = self.random.randrange(len(said) + 1)
        mark = self.random.choice(["", "<", "[", "</", "<think>", "</think>", "<prompt>", "</prompt>"])
        return said[:cut] + mark + (said[cut + self.random.randrange(4) :] if way < 0.97 else "")
