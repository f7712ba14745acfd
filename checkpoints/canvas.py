"""The canvas of a stored run, drawn from its state alone: every node with what became of it."""

from __future__ import annotations

from rich.tree import Tree

from ..graphs.canvas.board import Board
from ..graphs.canvas.picture import States, canvas_tree, mermaid
from ..graphs.canvas.walk import walk
from ..graphs.memory import Memory
from ..graphs.state import State
from ..operators.registry import Registry, UnknownOperator


def canvas_drawing(state: State) -> Tree | None:
    """The canvas as a tree for a terminal; None: the run has none."""
    board = board_of(state)
    return None if board is None else canvas_tree(board.canvas, states(state, board))


def canvas_chart(state: State) -> str | None:
    """The canvas as a Mermaid flowchart; None: the run has none."""
    board = board_of(state)
    return None if board is None else mermaid(board.canvas, states(state, board))


def board_of(state: State) -> Board | None:
    """The board in a state; None: there is none, or nothing is on it."""
    stored = state.get("canvas")
    board = Board.of(stored) if stored else None
    return board if board and board.canvas.nodes else None


def states(state: State, board: Board) -> States:
    """What became of each node; nothing where an operator of the canvas is not installed here."""
    operations = state.get("operations", [])
    memory = Memory(state.get("memory", []), [one["output"] for one in operations])
    try:
        found = walk(
            board.canvas, memory=memory, operations=operations, registry=Registry.load(), turn=state["run"]["turn"]
        )
    except UnknownOperator:
        return {}
    return {id: one["state"] for id, one in found.status.items()}
