"""A program is run before it is believed, and one that fails is written again with its failure in view, a bounded
number of times; the last one stands, whatever became of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from .candidates import is_problem
from .code import read_code
from .draft import Draft
from .outcome import Outcome
from .reply import reply_chain
from .template import Job

LAST: Final = "last-attempt"
"""Display key of the draft that the next one has to correct."""
ASKED: Final = re.compile(r"\bdef[ \t]+(\w+)[ \t]*\(|\bassert[ \t]+(?:not[ \t]+)?(\w+)\(")
"""How a text names a function that it wants: by its head, or in a test."""


def write_and_run(job: Job) -> Runnable[dict[str, Any], Outcome]:
    """Builder: as many attempts as the template has calls, ending with the first one that runs and gives an answer."""
    sandbox = job.sandbox
    assert sandbox is not None, "bind gives a sandbox to every template that needs one"
    asked = functions_asked(job.inputs)

    def work(_: dict[str, Any], config: RunnableConfig) -> Outcome:
        drafts: list[Draft] = []
        while goes_on(drafts, job):
            reply = writing(drafts, job).invoke({}, config)
            drafts.append(Draft.of(reply, sandbox.run(reply.answer) if reply.answer else None, asked))
        return concluded(drafts)

    async def awork(_: dict[str, Any], config: RunnableConfig) -> Outcome:
        drafts: list[Draft] = []
        while goes_on(drafts, job):
            reply = await writing(drafts, job).ainvoke({}, config)
            drafts.append(Draft.of(reply, await sandbox.arun(reply.answer) if reply.answer else None, asked))
        return concluded(drafts)

    return RunnableLambda(work, awork)


def goes_on(drafts: list[Draft], job: Job) -> bool:
    """Whether another attempt is made."""
    return len(drafts) < job.template.max_calls and (not drafts or drafts[-1].fault is not None)


def writing(drafts: list[Draft], job: Job) -> Runnable[dict[str, Any], Outcome]:
    """The call that writes the next draft, with the last one before it."""
    shown = {**job.inputs, LAST: drafts[-1].told()} if drafts else job.inputs
    return reply_chain(replace(job, inputs=shown), read_code, sample=len(drafts))


def concluded(drafts: list[Draft]) -> Outcome:
    """The last draft, with the faults of all."""
    return drafts[-1].outcome([draft.fault for draft in drafts if draft.fault])


def functions_asked(inputs: Mapping[str, str]) -> frozenset[str]:
    """Names of the functions that the problem asks for, by a stub or by a test."""
    problem = "\n".join(text for key, text in inputs.items() if is_problem(key))
    return frozenset(name for pair in ASKED.findall(problem) for name in pair if name)
