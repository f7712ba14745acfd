"""What a run may see of a task is its question; what decides whether an answer is right is kept in another field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, ClassVar, Literal

Difficulty = Literal["easy", "hard"]


@dataclass(frozen=True, slots=True)
class Task:
    """One problem with an exact answer. JSON-native, so that it travels as a line of a file."""

    id: str
    """`family-seed-index`: equal ids are equal tasks."""
    family: str
    difficulty: Difficulty
    question: str
    """All that a run is given."""
    gold: Mapping[str, Any]
    """What the family's `check` needs, an `answer` that passes among it. Never shown to a run."""

    def as_json(self) -> dict[str, Any]:
        """All fields as plain data."""
        return {**asdict(self), "gold": dict(self.gold)}


class TaskFamily(ABC):
    """Tasks of one kind: how they are drawn, recognised and checked."""

    name: ClassVar[str]

    def generate(self, seed: int, n: int) -> list[Task]:
        """`n` tasks, easy and hard in turn. The i-th of a seed is the same in every process and for every `n`."""
        return [self._task(seed, index) for index in range(n)]

    def _task(self, seed: int, index: int) -> Task:
        rng = Random(f"{self.name}:{seed}:{index}")
        difficulty: Difficulty = "easy" if index % 2 == 0 else "hard"
        question, answer = self.draw(rng, difficulty)
        gold = {**(self.gold_of(question) or {}), "answer": answer}
        return Task(f"{self.name}-{seed}-{index}", self.name, difficulty, question, gold)

    def recognises(self, question: str) -> bool:
        """Whether `question`, as a whole, is worded as a task of this family."""
        return self.gold_of(question) is not None

    def check(self, task: Task, answer_text: str) -> bool:
        """Whether `answer_text` (a final answer, or a reply whose last `Answer:` line holds it) is right. Exact; any
        text is judged, none raises."""
        return self.passes(task.gold, answer_text)

    @abstractmethod
    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, str]:
        """A question, and an answer that passes."""

    @abstractmethod
    def gold_of(self, question: str) -> dict[str, Any] | None:
        """What `passes` needs, found from the question alone; None: the question is not of this family."""

    @abstractmethod
    def passes(self, gold: Mapping[str, Any], answer_text: str) -> bool:
        """Whether `answer_text` is right by `gold`."""
