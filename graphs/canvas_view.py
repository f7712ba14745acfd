"""The canvas as the director reads it: every node with what became of it, a digest of fixed size each, and the rest
only when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from ..operators.context import excerpt
from .canvas.action import Inspect
from .canvas.board import Board
from .canvas.dsl import dsl_of
from .canvas.node import ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode, Sequence
from .canvas.placing import node_called
from .canvas.walk import Walked
from .history import Detail
from .system import Scene

SPAN: Final = 4_000
"""Characters that one inspection shows."""
_NODE: Final = '{"node": "'
LISTED: Final = 60
"""Nodes that are listed with their state."""


def canvas_lines(scene: Scene, board: Board, found: Walked, detail: Detail) -> Iterator[str]:
    """One JSON object a node, one for the canvas, one for the prompt that is awaited; what changes least is first."""
    nodes = [*board.canvas.walk()]
    for one in nodes[:LISTED]:
        yield _line(node_facts(scene, found, one, detail))
    if len(nodes) > LISTED:
        yield _line({"nodes_left_out": len(nodes) - LISTED})
    result = scene.memory[found.result] if found.result else None
    whole: dict[str, Any] = {"canvas": excerpt(dsl_of(board.canvas), 2_000) or "(empty)"}
    whole |= {"nodes": [one.id for one in nodes[:LISTED]]} if nodes else {}
    if result is not None:
        answer = excerpt(result["answer"] or result["content"], detail.excerpt or 80)
        whole |= {"result": result["key"], "answer": answer}
    yield _line(whole)
    if board.awaited is not None:
        operator, node, number, of = board.awaited
        yield _line({"awaiting_prompt_of": operator, "node": node, "number": number, "of": of})


def latest(lines: Iterator[str]) -> set[str]:
    """Of lines about nodes the last one of each node."""
    known = {}
    for line in lines:
        if line.startswith(_NODE):
            known[line[len(_NODE) :].partition('"')[0]] = line
    return {*known.values()}


def node_facts(scene: Scene, found: Walked, node: Node, detail: Detail) -> dict[str, Any]:
    """What the director is told of a node."""
    status = found.status[node.id]
    facts: dict[str, Any] = {"node": node.id, **shape_of(node), "state": status["state"]}
    names = ("results", "key", "verdict", "passed", "fault", "branch")
    facts |= {name: status[name] for name in names if status[name] not in (None, 0)}  # type: ignore[literal-required]
    if detail.excerpt and status["key"]:
        made = scene.memory[status["key"]]
        facts["answer" if made["answer"] else "excerpt"] = excerpt(made["answer"] or made["content"], detail.excerpt)
    if detail.excerpt and isinstance(node, OperatorNode):
        facts["prompt"] = excerpt(node.prompt, detail.excerpt // 3)
    return facts


def shape_of(node: Node) -> dict[str, Any]:
    """What a node is and which nodes are inside it."""
    match node:
        case OperatorNode():
            return {"operator": node.operator}
        case ParallelNode():
            return {"kind": "parallel", "branches": [_ids(branch) for branch in node.branches]}
        case ConditionalNode():
            return {
                "kind": "conditional", "condition": node.condition.id, "when": node.when.model_dump(),
                "then": _ids(node.then), "otherwise": _ids(node.otherwise),
            }  # fmt: skip
        case LoopNode():
            until = node.until.model_dump() if node.until else None
            return {"kind": "loop", "body": _ids(node.body), "times": node.times, "until": until}


def observation(scene: Scene, found: Walked, wanted: Inspect, board: Board) -> str:
    """The part of a node's output that an inspection asked for, as one JSON line."""
    node = node_called(board.canvas, wanted.node)
    key = found.status[node.id]["key"]
    if key is None:
        return _line({"inspected": node.id, "output": None})
    content = scene.memory[key]["content"]
    start, end = wanted.span or (0, SPAN)
    end = min(end, start + SPAN)
    shown = {"inspected": node.id, "key": key, "span": [start, min(end, len(content))], "size": len(content)}
    return _line({**shown, "output": content[start:end]})


def _ids(nodes: Sequence) -> list[str]:
    return [node.id for node in nodes]


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False)
