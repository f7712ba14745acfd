"""A tool is called with arguments that fit its schema and with nothing else: what a model wrote is parsed as one JSON
object, checked, once quoted back if it does not fit, and never run as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from ..errors import FlowwrightError
from ..operators.arguments import BadArguments, check_arguments
from ..operators.context import excerpt, framed, render
from ..operators.prompt import Prompt
from ..operators.template import OperatorTemplate
from ..policies.action import ONE_OBJECT
from ..policies.faults import ReplyError
from ..policies.reply import Reply
from ..sampling import Sampling
from .call import Caller
from .single import find_single

ATTEMPTS: Final = 2
"""Replies that may be asked for to get one set of arguments."""
SAMPLING: Final = Sampling(temperature=0.0, max_tokens=2048)
QUOTED: Final = 2_000
PROMPT: Final = Prompt.load("flowwright.graphs", "tool_call")


class NoCall(FlowwrightError):
    """The executor's model wrote no arguments that fit the tool's schema."""


def model_calls(template: OperatorTemplate, arguments: Mapping[str, Any] | None) -> int:
    """Model calls that one operation makes at most: the operator's own, and those for a tool's arguments."""
    return template.max_calls + (ATTEMPTS if template.parameters is not None and arguments is None else 0)


async def arguments_for(
    template: OperatorTemplate, instruction: str, inputs: Mapping[str, str], caller: Caller
) -> dict[str, Any]:
    """The arguments that the executor's model gives. Raises NoCall, ProviderError, BudgetExhausted."""
    parameters = dict(template.parameters or {})
    messages = asked(template, instruction, inputs)
    for attempt in range(ATTEMPTS):
        reply = Reply.of(await caller.model_for(SAMPLING, attempt, parameters).ainvoke(messages))
        try:
            return only_call(reply, template)
        except ReplyError as error:
            problem = error
            correction = f"No call was made: {problem.message}. Reply with one JSON object of arguments that fit."
            messages = [*messages, AIMessage(excerpt(reply.text, QUOTED)), HumanMessage(correction)]
    raise NoCall(f"no call of {template.name} could be made: {problem.message}", fix=template.accepts)


def only_call(reply: Reply, template: OperatorTemplate) -> dict[str, Any]:
    """The one object of a reply that fits. Raises ReplyError where none does, or where two differ: each is a call, and
    none may get lost."""
    arguments, drafts = find_single(reply, fitting(template))
    if drafts:
        raise ReplyError("The reply holds several calls where one is wanted", expected=ONE_OBJECT)
    return arguments


def fitting(template: OperatorTemplate) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The check of a JSON object against the tool's schema, as `find_single` wants it."""

    def accepts(action: dict[str, Any]) -> dict[str, Any]:
        try:
            check_arguments(template.name, template.parameters or {}, action)
        except BadArguments as error:
            raise ValueError(error.message) from error
        return action

    return accepts


def asked(template: OperatorTemplate, instruction: str, inputs: Mapping[str, str]) -> list[BaseMessage]:
    """The prompt: the tool first, because it is the same in every call of it."""
    tool = {"name": template.name, "purpose": template.purpose, "parameters": template.parameters}
    values = {
        "tool": json.dumps(tool, ensure_ascii=False, sort_keys=True).replace("<", "\\u003c"),
        "context": render(inputs, template.bounds),
        "instruction": framed(excerpt(instruction.strip(), template.bounds.instruction)) or "(none)",
    }
    return PROMPT.chat().format_messages(**values)
