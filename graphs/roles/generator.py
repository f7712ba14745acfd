"""There is always an answer, and it says what it is worth. The generator writes it from the best candidate; where no
model can be asked any more, the candidate itself is the answer."""

from __future__ import annotations

import time

from langchain_core.messages import AIMessage
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command

from ...errors import FlowwrightError
from ...operators.normal_form import same_answer
from ...operators.outcome import Outcome
from ..budget import exhausted, left, spend
from ..context import Context
from ..evidence import best_candidate, contradicted, evidence_for
from ..memory import PROBLEM, Entry
from ..services import Services
from ..state import Evidence, State, Status
from ..system import Scene
from .role import Update

INSTRUCTION = "Present the final answer of the candidate in the form the problem asks for. Do not change its result."


class Generator:
    """Role node body; see the module."""

    def __init__(self, services: Services) -> None:
        """Bind to one graph's services."""
        self.services = services

    async def __call__(self, state: State, runtime: Runtime[Context]) -> Command[str]:
        """The answer, its status and its evidence."""
        scene, stop = self.services.scene(state), state.get("stop")
        chosen = stop["candidate"] if stop else None
        key = chosen or best_candidate(scene.memory)
        if key is None:
            nothing = Evidence(candidate=None, verdict=None, passed=None, support=None)
            reason = stop["reason"] if stop else "nothing was produced"
            said = AIMessage(f"No answer: {reason}")
            update: Update = {"status": "failed", "answer": None, "evidence": nothing, "messages": [said]}
            return Command(update=update, goto=END)
        evidence = evidence_for(scene.memory, key)
        text, answer, update = await self.present(scene, scene.memory[key])
        status: Status = "finished" if chosen and not contradicted(evidence) else "best_effort"
        update |= {"status": status, "answer": answer, "evidence": evidence, "messages": [AIMessage(text)]}
        return Command(update=update, goto=END)

    async def present(self, scene: Scene, candidate: Entry) -> tuple[str, str, Update]:
        """Full text, final answer and cost. The model only words the candidate: when it may not be asked, fails, or
        says something else than the candidate, the candidate stands."""
        direct = candidate["content"], candidate["answer"] or candidate["content"]
        state = scene.state
        if exhausted(state["budget"], state["usage"], ("calls", "tokens", "money", "seconds")):
            return *direct, {}
        calls, seconds = (left(state["budget"], state["usage"], name) for name in ("calls", "seconds"))
        caller = self.services.caller(state["run"], "generator", "answer", calls=calls, seconds=seconds)
        inputs = {PROBLEM: scene.memory[PROBLEM]["content"], candidate["key"]: candidate["content"]}
        began = time.monotonic()
        try:
            template = self.services.registry["ORGANIZE_SOLUTION"]
            outcome: Outcome = await template.bind(INSTRUCTION, inputs, model=caller).ainvoke({})
        except FlowwrightError:
            outcome = Outcome(kind="answer", content=direct[0], answer=direct[1])
        cost: Update = {"usage": spend(caller.usage, {"seconds": time.monotonic() - began})}
        if candidate["answer"] is not None and not same_answer(outcome.answer or "", candidate["answer"]):
            return *direct, cost
        return outcome.content, outcome.answer or outcome.content, cost
