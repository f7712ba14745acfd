"""A node's status says what became of it in the canvas as it is now, for drawings and for the designer's view."""

from __future__ import annotations

from typing import Final, Literal

from typing_extensions import TypedDict

from ...operators.context import excerpt
from ..memory import Entry
from ..operation import Operation
from .node import Canvas

NodeState = Literal["pending", "ready", "ok", "failed", "skipped", "not_taken"]
"""`pending`: it waits for another node; `ready`: it can start; `ok`: it has its result, of a structure: all that had to
run inside has; `failed`: it gave none, of a structure: something inside gave none and nothing inside can start;
`skipped`: it could not be run (a missing input, a used-up budget); `not_taken`: its branch was not chosen."""
SHOWN: Final = 160
"""Characters of an answer in a status."""


class NodeStatus(TypedDict):
    """What became of one node. Of a node that runs several times, the last application that was reached."""

    state: NodeState
    results: int
    """Applications that have their result; of a loop the passes that are complete."""
    key: str | None
    """Memory key of the last result; None: there is none, or it is a structure."""
    verdict: str | None
    passed: bool | None
    answer: str | None
    """An excerpt; None: no answer was found."""
    fault: str | None
    """Why it gave nothing, in one line; None: nothing went wrong."""
    branch: Literal["then", "otherwise"] | None
    """Of a conditional, the branch that was chosen last; None: none was, or it is no conditional."""


class Progress:
    """The status of every node of a canvas, by id."""

    def __init__(self, canvas: Canvas) -> None:
        """At first every node waits."""
        self.nodes = {node.id: _pending() for node in canvas.walk()}

    def ran(self, id: str, entry: Entry) -> None:
        """An operator has a result."""
        status = self.nodes[id]
        status["state"], status["results"], status["key"] = "ok", status["results"] + 1, entry["key"]
        status["verdict"], status["passed"] = entry["verdict"], entry["passed"]
        status["answer"] = None if entry["answer"] is None else excerpt(entry["answer"], SHOWN)

    def gave_nothing(self, id: str, record: Operation) -> None:
        """An operator has a record of this turn, but no result."""
        self.nodes[id]["state"] = "skipped" if record["status"] == "skipped" else "failed"
        self.nodes[id]["fault"] = record["fault"]["message"] if record["fault"] else None

    def untaken(self, id: str) -> None:
        """The branch of a node was not chosen; a result of an earlier pass stays."""
        if self.nodes[id]["state"] == "pending":
            self.nodes[id]["state"] = "not_taken"

    def mark(self, id: str, state: NodeState) -> None:
        """Set the state of a node."""
        self.nodes[id]["state"] = state

    def chose(self, id: str, branch: Literal["then", "otherwise"]) -> None:
        """A conditional has chosen."""
        self.nodes[id]["branch"] = branch

    def passed(self, id: str, passes: int) -> None:
        """A loop has completed this many passes."""
        self.nodes[id]["results"] = passes


def _pending() -> NodeStatus:
    return NodeStatus(
        state="pending", results=0, key=None, verdict=None, passed=None, answer=None, fault=None, branch=None
    )
