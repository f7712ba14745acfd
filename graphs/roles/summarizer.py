"""The summarizer opens each turn. On a new question it starts the run; otherwise it counts the turn and, where a
summarizer policy is set, adds a model's summary beside the deterministic view, never in its place. What a system asks
before the first decision is a step of its own, so that the run is on record before anything is paid."""

from __future__ import annotations

import secrets
from typing import Any, Final, cast
from uuid import uuid4

from langchain_core.messages import AnyMessage, get_buffer_string
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite

from ...errors import FlowwrightError, UsageError
from ...operators.context import excerpt
from ...operators.prompt import Prompt
from ...policies.reply import Reply
from ...sampling import Sampling
from ..budget import Budget, checked, left, spend
from ..context import Context
from ..faults import fault_of
from ..memory import PROBLEM, Entry, entry
from ..question import Question
from ..services import Services
from ..state import Run, State, Task
from ..view import problem_text
from .role import Update

ANALYSIS: Final = "analysis@1"
EMPTY: Final[Update] = {"turns": [], "operations": [], "calls": []}
PROMPT: Final = Prompt.load("flowwright.graphs", "summarizer")
SUMMARY: Final = Sampling(temperature=0.01, max_tokens=700)


class Summarizer:
    """Role node body; see the module."""

    def __init__(self, services: Services) -> None:
        """Bind to one graph's services."""
        self.services = services

    async def __call__(self, state: State, runtime: Runtime[Context]) -> Command[str]:
        """Start the run, or open its next turn."""
        if is_new(state):
            context: Context | None = runtime.context
            update = self.start(state, context or Context())
            fresh = cast(State, {**state, **{name: written(value) for name, value in update.items()}})
            opens = self.services.system.opening(self.services.scene(fresh)) is not None
            return Command(update=update, goto="summarizer" if opens else "designer")
        run = state["run"]
        if is_unopened(state) and (question := self.services.system.opening(self.services.scene(state))) is not None:
            return Command(update=await self.open(state, question, runtime), goto="designer")
        # Only a channel that is written gets snapshots, and reading a state goes back to the oldest snapshot of all.
        update = {"run": {**run, "turn": run["turn"] + 1, "attempt": 0}, "usage": {"turns": 1}, "messages": []}
        if "summarizer" in self.services.policies:
            update |= await self.summarize(state, runtime)
        return Command(update=update, goto="designer")

    def start(self, state: State, context: Context) -> Update:
        """The first update of a run: who it is, what it may spend, and the question as memory."""
        task, earlier = task_of(state)
        number = state["run"]["number"] + 1 if "run" in state else 1
        entries = [entry(PROBLEM, "task", "user", task["question"], at=[0, 0])]
        if earlier:
            entries.append(entry("conversation@1", "conversation", "user", get_buffer_string(earlier), at=[0, 1]))
        update: Update = {
            "run": self.identity(task, context, number, len(state.get("messages", []))),
            "budget": self.limits(task.get("budget", {}), context), "status": "running",
        }  # fmt: skip
        fresh: Update = {"usage": spend(None, {"turns": 1}), "memory": entries}
        if number == 1:
            return update | fresh
        ended: Update = {"canvas": None, "stage": None, "stop": None, "answer": None, "evidence": None}
        return update | ended | {name: Overwrite(value) for name, value in {**EMPTY, **fresh}.items()}

    def identity(self, task: Task, context: Context, number: int, messages: int) -> Run:
        """Who the run is."""
        services = self.services
        allowed = task.get("operators")
        if allowed is not None:
            services.registry.allow(allowed)
        return Run(
            id=uuid4().hex[:16], origin=None, task=task.get("id"), number=number, system=services.system.name,
            preset=services.preset.name, seed=secrets.randbits(31) if context.seed is None else context.seed,
            operators=allowed, policies={role: policy.name for role, policy in services.policies.items()},
            approvals=[name for name in services.offered if services.registry[name].approval],
            turn=1, attempt=0, messages=messages,
        )  # fmt: skip

    def limits(self, given: Budget, context: Context) -> Budget:
        """The preset's budget, overridden by the context's, overridden by the task's."""
        budget = Budget(**{**self.services.preset.budget, **checked(context.budget or {}), **checked(given)})
        if budget.get("money") is not None:
            unpriced = [policy.name for policy in self.services.policies.values() if policy.price is None]
            if unpriced:
                fix = "pass Policies(prices={model: (usd_per_million_in, usd_per_million_out)})"
                raise UsageError(f"a money budget needs prices, and {unpriced[0]} has none", fix=fix)
        return budget

    async def open(self, state: State, question: Question, runtime: Runtime[Context]) -> Update:
        """The answer to the system's opening question, as the entry `analysis@1`. A failure is on record in its place:
        the run goes on without."""
        caller = self.services.asking(state, runtime, "summarizer", "analysis")
        made = entry(ANALYSIS, "analysis", "summarizer", "(no analysis)", at=[0, 2])
        try:
            reply = Reply.of(await caller.model_for(question.sampling, 0, question.schema).ainvoke(question.messages))
            made["content"] = reply.text.strip() or made["content"]
        except FlowwrightError as error:
            made["data"] = {"fault": dict(fault_of(error))}
        usage = spend(caller.usage, {"seconds": caller.active_seconds})
        return {"memory": [made], "usage": usage, "calls": caller.records}

    async def summarize(self, state: State, runtime: Runtime[Context]) -> Update:
        """A model's summary of what is new, as a memory entry; a failure is on record in its place."""
        scene, run = self.services.scene(state), state["run"]
        latest = [one for one in scene.memory.entries if (one["operation"] or "").startswith(f"op_{run['turn']}_")]
        if not latest or left(state["budget"], state["usage"], "calls") == 0:
            return {}
        caller = self.services.asking(state, runtime, "summarizer", "summary")
        values = {"problem": problem_text(scene), "entries": "\n\n".join(told(one) for one in latest)}
        made = entry(scene.memory.next_key("summary"), "summary", "summarizer", "(no summary)", at=[run["turn"] + 1, 0])
        try:
            reply = await (PROMPT.chat() | caller(SUMMARY, 0)).ainvoke(values)
            made["content"] = reply.text.strip() or made["content"]
        except FlowwrightError as error:
            made["data"] = {"fault": dict(fault_of(error))}
        usage = spend(caller.usage, {"turns": 1, "seconds": caller.active_seconds})
        return {"memory": [made], "usage": usage, "calls": caller.records}


def told(one: Entry) -> str:
    """An entry as the model summarizer reads it."""
    return f"[{one['key']} by {one['by']}]\n{excerpt(one['content'], 4_000)}"


def written(value: Any) -> Any:
    """What an update writes, whether it appends or overwrites."""
    return value.value if isinstance(value, Overwrite) else value


def is_unopened(state: State) -> bool:
    """Whether the run has begun and nothing has been decided or asked yet."""
    known = any(one["key"] == ANALYSIS for one in state.get("memory", []))
    return state["run"]["turn"] == 1 and not state.get("turns") and not known


def is_new(state: State) -> bool:
    """Whether this step begins a run: a task was given, a message came in, or a finished thread is asked again."""
    if "run" not in state or state.get("task") or state["status"] != "running":
        return True
    return len(state.get("messages", [])) > state["run"]["messages"]


def task_of(state: State) -> tuple[Task, list[AnyMessage]]:
    """The task, and the conversation before it; a task that was given as one stands alone. Raises UsageError when
    nothing is asked."""
    messages = state.get("messages", [])
    task = state.get("task")
    if task:
        question = task.get("question")
        if not isinstance(question, str) or not question.strip():
            raise UsageError("the task has no question", fix='pass {"task": {"question": "..."}}')
        return task, []
    if not messages or messages[-1].type != "human" or not messages[-1].text.strip():
        raise UsageError("nothing is asked", fix="pass a task, or messages that end with a human message")
    return Task(question=messages[-1].text), list(messages[:-1])
