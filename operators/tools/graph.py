"""A graph that is called as an operator is a run of its own: it has its own thread, and neither reads nor writes a
checkpoint of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import ToolException
from typing_extensions import Unpack

from ...errors import UsageError
from ..template import OperatorTemplate
from .adapter import Parameters, schema_of
from .foreign import Terms, foreign_operator
from .names import operator_name

Enter = Callable[[dict[str, Any]], Any]
MESSAGES: Final = "messages"
QUESTION: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 1, "description": "Everything the other side must know."}
    },
    "required": ["question"],
}


def graph_operator(
    graph: Runnable[Any, Any],
    *,
    name: str,
    purpose: str,
    parameters: Parameters | None = None,
    enter: Enter | None = None,
    answer: str | None = None,
    **terms: Unpack[Terms],
) -> OperatorTemplate:
    """The operator that runs a compiled LangGraph graph, or a runnable with one inside, apart from the caller's thread.

    `parameters`: None takes one `question` for a graph that has `messages`, which enters as a user's message, and the
    graph's input schema for any other. `enter` makes the graph's input of the arguments; None: they are the input.
    `answer` is the key of the final state that holds the result; None: the last message, or the whole state where there
    are no messages. Each call gets a new thread id, so a graph with a checkpointer keeps every run; a run that stops at
    an interrupt ends in a ToolFault, because nobody could resume it. Raises UsageError and BadSchema.
    """
    if getattr(graph, "checkpointer", None) is True:
        raise UsageError(
            f"{name} has the checkpointer of a graph around it", fix="Compile it with one of its own or none"
        )
    called = operator_name(name, name)
    schema = schema_of(called, graph, parameters)
    if parameters is None and enter is None and _chats(schema):
        schema, enter = QUESTION, _as_message

    async def run(arguments: dict[str, Any]) -> Any:
        given = enter(arguments) if enter else arguments
        state = await graph.ainvoke(given, {"configurable": {"thread_id": uuid4().hex}})
        return _result(state, answer)

    return foreign_operator(called, purpose, schema, run, **terms)


def _chats(schema: Mapping[str, Any]) -> bool:
    """Whether messages are all that a graph must be given."""
    return MESSAGES in schema.get("properties", {}) and set(schema.get("required", ())) <= {MESSAGES}


def _as_message(arguments: dict[str, Any]) -> dict[str, Any]:
    return {MESSAGES: [HumanMessage(arguments["question"])]}


def _result(state: Any, answer: str | None) -> Any:
    if not isinstance(state, Mapping):
        return state
    if state.get("__interrupt__"):
        raise ToolException("it stopped to ask a person, and nobody can answer it there")
    if answer is not None:
        if answer not in state:
            raise ToolException(f"its final state has no {answer!r}")
        return state[answer]
    return state[MESSAGES][-1] if state.get(MESSAGES) else dict(state)
