"""Prompts in the shapes that operators and the designer's role send, and a designer and an executor at work on them."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flowwright.operators.registry import Registry
from flowwright.operators.sandbox import open_sandbox
from flowwright.policies.offline import NO_ERRORS, OfflineDesigner, OfflineExecutor
from flowwright.policies.offline.job import verdict_in
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FLOWWRIGHT_DATA", ROOT.parent / "shared" / "data"))
KINDS = {
    "DECOMPOSE_PROBLEM": "plan", "GENERATE_PLAN": "plan", "GENERATE_ANSWER": "answer", "REFINE_ANSWER": "answer",
    "SELF_CONSISTENCY_ENSEMBLE": "vote", "REVIEW_SOLUTION": "review", "GENERATE_CODE": "code", "REFINE_CODE": "code",
    "TEST_CODE": "test",
}  # fmt: skip


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here; set FLOWWRIGHT_DATA to a folder that has it")
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


def operator_prompt(operator: str, inputs: Mapping[str, str], instruction: str = "Go.") -> list[BaseMessage]:
    context = "\n".join(f'<input key="{key}">\n{text}\n</input>' for key, text in inputs.items())
    frame = f"Inputs:\n<context>\n{context}\n</context>\n<instruction>\n{instruction}\n</instruction>\n"
    return [SystemMessage(f"You are the {operator} operator. Do your work."), HumanMessage(frame)]


def designer_prompt(
    question: str,
    memory: Sequence[Mapping[str, Any]] = (),
    *,
    turn: int = 1,
    feedback: Sequence[Mapping[str, Any]] = (),
    operators: Sequence[str] = tuple(KINDS),
    **budget: int,
) -> list[BaseMessage]:
    lines = [{"key": "problem@1", "kind": "task", "by": "user", "size": len(question)}, *memory]
    left = {"turn": turn, "turns": 8, "operations": 0, "operations_limit": 32, "calls": 0, "calls_limit": 100} | budget
    sections = [
        f"<problem>\n{question}\n</problem>\n<budget>\n{json.dumps(left)}\n</budget>\n<memory>",
        *map(json.dumps, lines), "</memory>\n<feedback>", *map(json.dumps, feedback), "</feedback>",
    ]  # fmt: skip
    catalogue = "\n".join(f"- {name}: what it does" for name in operators)
    return [SystemMessage(f"You design stages.\n{catalogue}"), HumanMessage("\n".join(sections))]


def ask(operator: str, inputs: Mapping[str, str], instruction: str = "Go.", *, seed: int = 0, **model: Any) -> str:
    return OfflineExecutor(**model).bind(seed=seed).invoke(operator_prompt(operator, inputs, instruction)).text


def decision(*args: Any, rates: Mapping[str, float] = NO_ERRORS, **kwargs: Any) -> dict[str, Any]:
    return json.loads(OfflineDesigner(error_rates=rates).invoke(designer_prompt(*args, **kwargs)).text)


def last_line(text: str) -> str | None:
    found = re.findall(r"^Answer: (.+)$", text, re.MULTILINE)
    return found[-1] if found else None


def about(count: int, draws: int, rate: float) -> bool:
    """Whether `count` of `draws` is within four standard deviations of `rate`."""
    return abs(count - draws * rate) <= 4 * math.sqrt(draws * rate * (1 - rate)) + 1


@dataclass
class Run:
    """A designer and an executor at work on one question, through prompts and the sandbox."""

    question: str
    rates: Mapping[str, float] | None = None
    seed: int = 0
    memory: list[dict[str, Any]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    claimed: str | None = None
    """Key the designer finished with; None: it has not."""
    steps: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    """Operator, instruction and exact inputs of everything that ran."""

    def __post_init__(self) -> None:
        self.texts["problem@1"] = self.question

    def result(self) -> tuple[str, str | None]:
        """How it ended, and the final answer."""
        feedback: list[dict[str, Any]] = []
        for turn in range(1, 9):
            for attempt in range(3):
                designer = OfflineDesigner(error_rates=self.rates).bind(seed=self.seed * 100 + turn * 3 + attempt)
                prompt = designer_prompt(self.question, self.memory, turn=turn, feedback=feedback)
                try:
                    action = json.loads(designer.invoke(prompt).text)
                    assert "operators" not in action or self.known(action["operators"])
                except (ValueError, AssertionError) as why:
                    self.refused += 1
                    feedback = [{"kind": "policy", "code": "refused", "message": str(why)[:80]}]
                    continue
                feedback = []
                break
            if "finish" in action:
                self.claimed = action["finish"]
                inputs = {"problem@1": self.question, self.claimed: self.texts[self.claimed]}
                return "finished", ask("ORGANIZE_SOLUTION", inputs, error_rates=self.rates)
            if "give_up" in action:
                return "gave up", None
            self.carry_out(action["operators"])
        raise AssertionError("the designer neither finished nor gave up within its turns")

    def known(self, operators: list[dict[str, Any]]) -> bool:
        made = {one["params"]["output_key"] for one in operators}
        keys = {key for one in operators for key in one["params"]["input_keys"]}
        return keys <= {*made, *self.texts} and {one["params"]["instruction_type"] for one in operators} <= {*KINDS}

    def carry_out(self, operators: list[dict[str, Any]]) -> None:
        made: dict[str, str] = {}
        for params in (one["params"] for one in operators):
            name, operator = params["output_key"], params["instruction_type"]
            keys = [made.get(key, key) for key in params["input_keys"]]
            self.steps.append((operator, params["input_usage"], tuple(keys)))
            made[name] = f"{name}@{1 + sum(key.startswith(f'{name}@') for key in self.texts)}"
            entry = {"key": made[name], "kind": KINDS[operator], "by": operator, "from": keys}
            text = self.operate(operator, {key: self.texts[key] for key in keys}, params["input_usage"], entry)
            self.texts[made[name]] = text
            self.memory.append({**entry, "size": len(text), "excerpt": text[:400]})

    def operate(self, operator: str, inputs: dict[str, str], usage: str, entry: dict[str, Any]) -> str:
        if operator == "TEST_CODE":
            outcome = Registry.load()[operator].bind(usage, inputs, sandbox=open_sandbox()).invoke({})
            entry["passed"] = outcome.passed
            return outcome.content
        samples = 5 if operator == "SELF_CONSISTENCY_ENSEMBLE" else 1
        texts = [ask(operator, inputs, usage, seed=self.seed * 10 + n, error_rates=self.rates) for n in range(samples)]
        if KINDS[operator] in ("answer", "vote"):
            answer, votes = Counter(map(last_line, texts)).most_common(1)[0]
            entry |= {"answer": answer, "support": votes / samples} if samples > 1 else {"answer": answer}
            return next(text for text in texts if last_line(text) == answer)
        if operator == "REVIEW_SOLUTION":
            entry["verdict"] = verdict_in(texts[0])
        return texts[0]
