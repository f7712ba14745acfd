"""The designer decides one turn. A refused reply is quoted back with the validator's words, a bounded number of times
apart from the turn limit; every reply is kept as a turn, and nothing of an invalid plan ever runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from langchain_core.messages import BaseMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from ...policies.faults import ProviderError, ReplyError
from ...policies.reply import Reply
from ..budget import exhausted, spend
from ..call import Caller
from ..context import Context
from ..correction import corrections, repaired
from ..decision import Decision, Finish, GiveUp, Plan
from ..dispatch import next_layer
from ..faults import BudgetExhausted, Fault, Refused, fault_of
from ..services import Services
from ..state import Stage, State, Stop
from ..steps import out_of_steps
from ..system import Reading, Scene, System
from ..turn import Outcome, Turn
from .role import Update

DEFAULT_REPAIRS = 2


@dataclass
class Attempt:
    """One reply and what became of it."""

    reply: Reply | None = None
    reading: Reading | None = None
    decision: Decision | None = None
    faults: list[Fault] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """One word for the turn record."""
        match self.decision:
            case Plan():
                return "plan"
            case Finish():
                return "finish"
            case GiveUp():
                return "give_up"
            case None:
                return "refused" if self.reply else "unanswered"


class Designer:
    """Role node body; see the module."""

    def __init__(self, services: Services) -> None:
        """Bind to one graph's services."""
        self.services = services

    async def __call__(self, state: State, runtime: Runtime[Context]) -> Command[str]:
        """Ask for one decision and route by what it is."""
        if (no_room := out_of_steps(state)) is not None:
            return stop({}, no_room)
        scene = self.services.scene(state)
        number = state["run"]["attempt"]
        caller = self.services.asking(state, runtime, "designer", str(number), number)
        attempt = await self.ask(scene, caller)
        usage = spend(caller.usage, {"seconds": caller.active_seconds})
        turn = record(state, attempt, caller)
        return self.route(state, attempt, {"turns": [turn], "usage": usage, "calls": caller.records})

    async def ask(self, scene: Scene, caller: Caller) -> Attempt:
        """One model call and the reading of its reply. Never raises for what the model wrote."""
        system, attempt = self.services.system, Attempt()
        if exhausted(scene.state["budget"], scene.state["usage"], ("calls", "tokens", "money", "seconds")):
            attempt.faults = [fault_of(BudgetExhausted("the budget allows no further decision"))]
            return attempt
        model = caller.model_for(self.services.preset.designer, schema=system.schema(scene))
        try:
            attempt.reply = Reply.of(await model.ainvoke(prompt(system, scene)))
            attempt.reading = system.read(attempt.reply, scene)
            attempt.decision = system.decide(attempt.reading.action, scene)
        except Refused as refusal:
            attempt.faults = refusal.faults
        except (ReplyError, ProviderError, BudgetExhausted) as error:
            attempt.faults = [fault_of(error)]
        return attempt

    def route(self, state: State, attempt: Attempt, update: Update) -> Command[str]:
        """Where the run goes after this reply."""
        match attempt.decision:
            case Plan() as plan:
                return self.run_stage(state, plan, update)
            case Finish(key, reason):
                return stop(update, Stop(by="designer", settled=True, reason=reason, candidate=key))
            case GiveUp(reason):
                return stop(update, Stop(by="designer", settled=False, reason=reason, candidate=None))
        kinds = {one["kind"] for one in attempt.faults}
        if "budget" in kinds:
            return stop(update, Stop(by="budget", settled=False, reason=attempt.faults[0]["message"], candidate=None))
        if "provider" in kinds:
            return stop(update, Stop(by="provider", settled=False, reason=attempt.faults[0]["message"], candidate=None))
        repairs = state["budget"].get("repairs")
        if state["run"]["attempt"] < (DEFAULT_REPAIRS if repairs is None else repairs):
            run = {**state["run"], "attempt": state["run"]["attempt"] + 1}
            return Command(update={**update, "run": run}, goto="designer")
        return Command(update=update, goto="verifier")

    def run_stage(self, state: State, plan: Plan, update: Update) -> Command[str]:
        """Start the first layer of a validated plan."""
        operations = plan.operations
        if plan.canvas is not None:
            update["canvas"] = plan.canvas
        scene = self.services.scene(state)
        usage = spend(state["usage"], update["usage"])
        layer = next_layer(operations, scene.memory, scene.registry, state["run"], state["budget"], usage)
        update["stage"] = Stage(id=f"stage_{state['run']['turn']}", operations=operations, running=layer.running)
        if layer.skipped:
            update["operations"] = layer.skipped
        return Command(update=update, goto=layer.ready or "verifier")


def prompt(system: System, scene: Scene) -> list[BaseMessage]:
    """What the designer is asked: of a refused reply the same conversation goes on, where it is not too long."""
    said = repaired(scene.state)
    return said if said and system.fits(said, scene) else [*system.messages(scene), *corrections(scene.state)]


def stop(update: Update, reason: Stop) -> Command[str]:
    """To the verifier, which closes the run."""
    return Command(update={**update, "stop": reason}, goto="verifier")


def record(state: State, attempt: Attempt, caller: Caller) -> Turn:
    """The turn to keep."""
    decision, run = attempt.decision, state["run"]
    operations = [one["id"] for one in decision.operations] if isinstance(decision, Plan) else []
    description = "" if decision is None else decision.description if isinstance(decision, Plan) else decision.reason
    reading = attempt.reading
    return Turn(
        at=[run["turn"], run["attempt"]],
        turn=run["turn"], attempt=run["attempt"], call=caller.made[-1]["id"] if attempt.reply and caller.made else "",
        reply=attempt.reply.text if attempt.reply else None, action=reading.action if reading else None,
        notices=[*(reading.notices if reading else ()), *(decision.notices if isinstance(decision, Plan) else ())],
        outcome=attempt.outcome, faults=attempt.faults,
        operations=operations, description=description,
        observation=decision.observation if isinstance(decision, Plan) else "", model=caller.model, usage=caller.usage,
    )  # fmt: skip
