"""Work that was done is not done again: a result stands for every later application of the same operator, in the same
node and pass, with the same instruction to inputs of the same contents, whatever turn made it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..memory import Memory
from ..operation import Operation

Work = tuple[str | None, str, str, str]
"""Path of the node, operator, version of the operator, instruction."""


class Kept:
    """What the operations of a run have left so far."""

    def __init__(self, operations: Sequence[Operation], memory: Memory, turn: int) -> None:
        """`turn` is the turn being run: only in it does a failure count."""
        self.memory = memory
        self.results: defaultdict[Work, list[Operation]] = defaultdict(list)
        self.obstacles: dict[str | None, Operation] = {}
        self.used = 0
        """Highest index among the operations of the turn."""
        for one in operations:
            if one["status"] == "ok":
                self.results[one["node"], one["operator"], one["version"], one["instruction"]].append(one)
            elif one["turn"] == turn:
                self.obstacles[one["node"]] = one
            if one["turn"] == turn:
                self.used = max(self.used, one["at"][1])

    def result(self, work: Work, inputs: Sequence[str]) -> str | None:
        """Memory key of what this work gave; None: it has not been done."""
        wanted = self.contents(inputs)
        done = (one for one in reversed(self.results[work]) if self.contents(one["inputs"]) == wanted)
        return next((one["output"] for one in done), None)

    def obstacle(self, path: str) -> Operation | None:
        """The record of this turn that says why a node gave nothing; None: there is none."""
        return self.obstacles.get(path)

    def contents(self, keys: Sequence[str]) -> list[str]:
        """The texts under these keys."""
        return [self.memory[key]["content"] for key in keys]
