"""The executor runs one operation as one LangGraph task: its result is persisted the moment it ends, and a failure is
a typed record that the designer will see, never an exception out of the graph."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from langchain_core.runnables import Runnable
from langgraph.runtime import Runtime
from langgraph.types import Command

from ...errors import FlowwrightError
from ...operators.outcome import Outcome
from ...operators.template import OperatorTemplate
from ..budget import spend
from ..call import Caller
from ..context import Context
from ..dispatch import Work
from ..faults import Fault, fault_of
from ..memory import entry_of
from ..operation import Operation, content_key
from ..services import Services
from .role import Update


class Executor:
    """Role node body; see the module."""

    def __init__(self, services: Services) -> None:
        """Bind to one graph's services."""
        self.services = services

    async def __call__(self, work: Work, runtime: Runtime[Context]) -> Command[str]:
        """Run the operation and report it."""
        planned, services = work["operation"], self.services
        template = services.registry[planned["operator"]]
        caller = self.caller_for(work, template)
        model, seed = caller.policy.name if caller else None, work["run"]["seed"]
        key = content_key(planned, version=template.version, inputs=work["inputs"], model=model, seed=seed)
        began = time.monotonic()
        outcome, failure = await self.attempt(template, work, caller, key)
        usage = spend(caller.usage if caller else None, {"operations": 1, "seconds": time.monotonic() - began})
        record = Operation(
            **planned, turn=work["run"]["turn"], version=template.version, key=key,
            status="failed" if failure else "ok", fault=failure, usage=usage, model=caller.model if caller else None,
        )  # fmt: skip
        update: Update = {"operations": [record], "usage": {**usage, "seconds": 0.0}}
        if outcome is not None:
            update["memory"] = [entry_of(outcome, planned)]
        return Command(update=update)

    def caller_for(self, work: Work, template: OperatorTemplate) -> Caller | None:
        """The metered model of an operation that needs one."""
        if not template.needs_model:
            return None
        return self.services.caller(
            work["run"], "executor", work["operation"]["id"], calls=work["calls"], seconds=work["seconds"]
        )

    async def attempt(
        self, template: OperatorTemplate, work: Work, caller: Caller | None, key: str
    ) -> tuple[Outcome | None, Fault | None]:
        """The outcome, or the fault that stands in its place."""
        planned = work["operation"]
        try:
            # Opening one looks at the machine and starts processes, which no event loop may wait for.
            sandbox = await asyncio.to_thread(lambda: self.services.sandbox) if template.needs_sandbox else None
            operator = template.bind(planned["instruction"], work["inputs"], model=caller, sandbox=sandbox)
            return await (self.journaled(operator, work, key) if caller is None else operator.ainvoke({})), None
        except FlowwrightError as error:
            return None, fault_of(error, planned["id"])

    async def journaled(self, operator: Runnable[dict[str, Any], Outcome], work: Work, content: str) -> Outcome:
        """The outcome of an operation that asks no model, from the journal if this very operation ended before. Where
        a model is asked, each of its calls is journaled instead."""
        run, journal = work["run"], self.services.journal
        key = f"{run['id']}/{run['turn']}/executor/{work['operation']['id']}/{content}"
        stored = journal.recall(key)
        if stored is not None:
            return Outcome.model_validate_json(stored)
        outcome = await operator.ainvoke({})
        await journal.arecord(key, outcome.model_dump_json().encode())
        return outcome
