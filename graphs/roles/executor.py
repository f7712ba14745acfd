"""The executor runs one operation as one LangGraph task: its result is persisted the moment it ends, and a failure is
a typed record that the designer will see, never an exception out of the graph."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.runnables import Runnable
from langgraph.runtime import Runtime
from langgraph.types import Command

from ...errors import FlowwrightError
from ...operators.outcome import Outcome
from ...operators.sandbox import Sandbox
from ...operators.template import OperatorTemplate
from ..approval import Asked, approve
from ..budget import Usage, spend
from ..call import Caller
from ..context import Context
from ..dispatch import Work
from ..faults import Fault, fault_of
from ..journal import NoJournal
from ..kept import KeptOperation
from ..memory import entry_of
from ..operation import Operation, Planned, content_key
from ..services import Services
from ..tool_call import arguments_for, model_calls
from .role import Update


@dataclass
class Attempt:
    """One operation while it runs."""

    work: Work
    template: OperatorTemplate
    planned: Planned
    """With the arguments, once they are known."""
    caller: Caller | None
    """None: no model is asked."""
    outcome: Outcome | None = None
    fault: Fault | None = None
    began: float = field(default_factory=lambda: round(time.time(), 6))

    def key(self) -> str:
        """Content key of the operation."""
        model = self.caller.policy.name if self.caller else None
        return content_key(
            self.planned, version=self.template.version, inputs=self.work["inputs"], model=model,
            seed=self.work["run"]["seed"],
        )  # fmt: skip

    def usage(self, seconds: float) -> Usage:
        """What it cost: the model calls, and a tool's own price."""
        price = self.outcome.data.get("cost") if self.outcome else None
        money = float(price) if isinstance(price, int | float) else 0.0
        return spend(self.caller.usage if self.caller else None, {"operations": 1, "seconds": seconds, "money": money})

    def record(self, seconds: float) -> Operation:
        """What is kept of it."""
        return Operation(
            **self.planned, turn=self.work["run"]["turn"], version=self.template.version, key=self.key(),
            status="failed" if self.fault else "ok", fault=self.fault, usage=self.usage(seconds),
            model=self.caller.model if self.caller else None, began=self.began,
        )  # fmt: skip


class Executor:
    """Role node body; see the module."""

    def __init__(self, services: Services) -> None:
        """Bind to one graph's services."""
        self.services = services

    async def __call__(self, work: Work, runtime: Runtime[Context]) -> Command[str]:
        """Run the operation and report it."""
        template = self.services.registry[work["operation"]["operator"]]
        attempt = Attempt(work, template, work["operation"], self.caller_for(work, template, runtime))
        if (kept := self.kept(attempt)) is not None:
            return Command(update=kept.update())
        began = time.monotonic()
        try:
            attempt.outcome = await self.run(attempt)
        except FlowwrightError as error:
            attempt.fault = fault_of(error, work["operation"]["id"])
        record = attempt.record(time.monotonic() - began)
        update: Update = {"operations": [record], "usage": {**record["usage"], "seconds": 0.0}}
        if attempt.caller is not None and attempt.caller.made:
            update["calls"] = attempt.caller.records
        if attempt.outcome is not None:
            update["memory"] = [entry_of(attempt.outcome, attempt.planned)]
        return Command(update=update)

    def kept(self, attempt: Attempt) -> KeptOperation | None:
        """The operation as it is on record; None: it is not, or was another one."""
        found = self.services.kept.get(attempt.planned["id"])
        if found is None:
            return None
        planned: Planned = {**attempt.planned, "arguments": found.operation["arguments"]}
        return found if replace(attempt, planned=planned).key() == found.operation["key"] else None

    def caller_for(self, work: Work, template: OperatorTemplate, runtime: Runtime[Context]) -> Caller | None:
        """The metered model of an operation that needs one."""
        if model_calls(template, work["operation"]["arguments"]) == 0:
            return None
        place, index = work["operation"]["id"], work["operation"]["at"][-1]
        return self.services.caller(work["run"], runtime, "executor", place, index, work["calls"], work["seconds"])

    async def run(self, attempt: Attempt) -> Outcome:
        """The outcome. Raises FlowwrightError where there is none."""
        template, work = attempt.template, attempt.work
        inputs, instruction = work["inputs"], attempt.planned["instruction"]
        if template.parameters is not None and attempt.planned["arguments"] is None and attempt.caller is not None:
            arguments = await arguments_for(template, instruction, inputs, attempt.caller)
            attempt.planned = {**attempt.planned, "arguments": arguments}
        arguments_given = attempt.planned["arguments"]
        model = attempt.caller if template.needs_model else None
        sandbox = await self.sandbox_for(template)
        operator = template.bind(instruction, inputs, arguments=arguments_given, model=model, sandbox=sandbox)
        return await (operator.ainvoke({}) if template.needs_model else self.journaled(operator, attempt))

    async def sandbox_for(self, template: OperatorTemplate) -> Sandbox | None:
        """The sandbox, where the operator needs one."""
        # Opening one looks at the machine and starts processes, which no event loop may wait for.
        return await asyncio.to_thread(lambda: self.services.sandbox) if template.needs_sandbox else None

    async def journaled(self, operator: Runnable[dict[str, Any], Outcome], attempt: Attempt) -> Outcome:
        """The outcome of an operator that asks no model, from the journal if this very operation ended before. Where a
        model is asked, each of its calls is journaled instead."""
        run, journal, content = attempt.work["run"], self.services.journal, attempt.key()
        key = f"{run['id']}/{run['turn']}/executor/{attempt.planned['id']}/{content}"
        stored = journal.recall(key)
        if stored is not None:
            return Outcome.model_validate_json(stored)
        if attempt.template.approval:
            planned = attempt.planned
            asked = Asked(
                operation=planned["id"], tool=planned["operator"], arguments=planned["arguments"] or {},
                purpose=planned["instruction"], key=content,
            )  # fmt: skip
            approve(asked, replayed=not isinstance(journal, NoJournal))
        outcome = await operator.ainvoke({})
        await journal.arecord(key, outcome.model_dump_json().encode())
        return outcome
