"""There is always an answer, and it says what it is worth. The generator writes it from what the system closes with;
where no model can be asked any more, the candidate itself is the answer."""

from __future__ import annotations

from dataclasses import dataclass

from langchain_core.messages import AIMessage
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command

from ...errors import FlowwrightError
from ...operators.normal_form import same_answer
from ...operators.outcome import Outcome
from ..budget import exhausted, spend
from ..closing import Closing
from ..context import Context
from ..evidence import contradicted, evidence_for
from ..memory import Entry
from ..services import Services
from ..state import Evidence, State, Status, Stop
from ..system import Scene
from .role import Update


@dataclass(frozen=True)
class Answer:
    """An answer and whose words it is in."""

    text: str
    """In full."""
    answer: str
    """Final, short."""
    generated: bool


class Generator:
    """Role node body; see the module."""

    def __init__(self, services: Services) -> None:
        """Bind to one graph's services."""
        self.services = services

    async def __call__(self, state: State, runtime: Runtime[Context]) -> Command[str]:
        """The answer, its status and its evidence."""
        scene, stop = self.services.scene(state), state.get("stop")
        closing = self.services.system.closing(scene)
        candidate = None if closing.candidate is None else scene.memory[closing.candidate]
        worded, update = await self.worded(scene, closing, runtime)
        standing = None if closing.fallback is None else scene.memory[closing.fallback]
        made = chosen(worded, candidate or (standing if worded is None else None))
        if made is None:
            return Command(update={**update, **failed(state)}, goto=END)
        evidence = Evidence(candidate=None, verdict=None, passed=None, support=None, origin=None)
        if closing.candidate is not None:
            evidence = evidence_for(scene.memory, closing.candidate)
        evidence["origin"] = "generator" if made.generated else "candidate"
        settled = stop is not None and stop["settled"]
        status: Status = "finished" if settled and not contradicted(evidence) else "best_effort"
        update |= {"status": status, "answer": made.answer, "evidence": evidence, "messages": [said(state, made.text)]}
        return Command(update=update, goto=END)

    async def worded(self, scene: Scene, closing: Closing, runtime: Runtime[Context]) -> tuple[Answer | None, Update]:
        """What the generator's model makes of it, and the cost; None: it is not to be asked, or failed."""
        state = scene.state
        spent_out = exhausted(state["budget"], state["usage"], ("calls", "tokens", "money", "seconds"))
        if closing.operator is None or spent_out:
            return None, {}
        caller = self.services.asking(state, runtime, "generator", "answer")
        try:
            template = self.services.registry[closing.operator]
            outcome: Outcome = await template.bind(closing.instruction, closing.inputs, model=caller).ainvoke({})
            answer = answer_in(outcome, closing, state.get("stop"))
            made = Answer(outcome.content, answer, generated=True) if answer else None
        except FlowwrightError:
            made = None
        usage = spend(caller.usage, {"seconds": caller.active_seconds})
        return made, {"usage": usage, "calls": caller.records}


def answer_in(outcome: Outcome, closing: Closing, stop: Stop | None) -> str | None:
    """The answer in the generator's text. A text that marks none is the answer as a whole, unless the run was cut short
    and rests on no candidate: then it says why there is none."""
    cut_short = stop is None or not stop["settled"]
    return outcome.answer or (None if closing.candidate is None and cut_short else outcome.content)


def chosen(worded: Answer | None, candidate: Entry | None) -> Answer | None:
    """The model only words a candidate: where it says something else, the candidate stands. None: there is neither."""
    if candidate is None:
        return worded
    own = Answer(candidate["content"], candidate["answer"] or candidate["content"], generated=False)
    if worded is None or (candidate["answer"] is not None and not same_answer(worded.answer, candidate["answer"])):
        return own
    return worded


def said(state: State, text: str) -> AIMessage:
    """The run's message to the conversation. Its id is the run's: written twice, it is there once."""
    return AIMessage(text, id=f"answer-{state['run']['id']}")


def failed(state: State) -> Update:
    """The end of a run without an answer."""
    stop = state.get("stop")
    reason = stop["reason"] if stop else "nothing was produced"
    nothing = Evidence(candidate=None, verdict=None, passed=None, support=None, origin=None)
    return {"status": "failed", "answer": None, "evidence": nothing, "messages": [said(state, f"No answer: {reason}")]}
