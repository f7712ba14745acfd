"""Whatever LangChain can call becomes an operator with typed arguments: what reaches the tool is exactly what passed
its schema, and nothing a model wrote is executed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, Tool
from langgraph.pregel.protocol import PregelProtocol
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import Unpack

from ...digest import digest
from ...errors import UsageError
from ..template import OperatorTemplate
from .foreign import Terms, foreign_operator
from .names import operator_name
from .schema import BadSchema
from .thread import in_thread

Parameters = type[BaseModel] | Mapping[str, Any]
"""How arguments are described: a pydantic model, or a JSON schema of an object."""
SYNC_ONLY = (BaseTool._arun, StructuredTool._arun, Tool._arun)
RESERVED = frozenset({"config", "run_manager", "callbacks"})


def tool_operator(tool: BaseTool, *, name: str | None = None, **terms: Unpack[Terms]) -> OperatorTemplate:
    """The operator that calls a LangChain tool. `name`: None takes the tool's own, in UPPER_SNAKE_CASE.

    A tool with a coroutine is awaited. One without runs in a thread of its own, never on the event loop; a time-out
    does not end that thread. A tool that handles its errors itself (`handle_tool_error`) has its words in the
    ToolFault. A tool that wants its call's id gets a digest of its arguments. Raises UsageError for a tool that cannot
    be named or wants what only a LangGraph ToolNode injects, BadSchema for a schema that cannot be checked.
    """
    called = operator_name(tool.name, name)
    schema = _schema_of(called, tool)
    return foreign_operator(called, tool.description, schema, partial(_call_tool, tool), **terms)


def runnable_operator(
    runnable: Runnable[Any, Any],
    *,
    name: str,
    purpose: str,
    parameters: Parameters | None = None,
    **terms: Unpack[Terms],
) -> OperatorTemplate:
    """The operator that invokes any LangChain runnable with its arguments as one dictionary, as a part of the caller's
    run: callbacks, tags and settings are inherited.

    `parameters`: None takes the runnable's input schema, which must be an object's. Raises UsageError for a graph,
    which `graph_operator` runs apart from the caller's thread, and BadSchema.
    """
    if isinstance(runnable, PregelProtocol):
        raise UsageError(f"{name} is a graph and would write into the caller's thread", fix="Use graph_operator")
    called = operator_name(name, name)
    return foreign_operator(called, purpose, schema_of(called, runnable, parameters), runnable.ainvoke, **terms)


def schema_of(name: str, runnable: Runnable[Any, Any], parameters: Parameters | None) -> Mapping[str, Any]:
    """The JSON schema that `parameters` is or gives; None: that of the runnable's input."""
    if parameters is None:
        try:
            # A stranger's types may fail in any way to be described.
            return runnable.get_input_jsonschema()
        except Exception as error:
            told = f"the input of {name} cannot be described ({type(error).__name__})"
            raise BadSchema(told, fix="Pass parameters=...: a pydantic model or a JSON schema") from error
    return parameters if isinstance(parameters, Mapping) else parameters.model_json_schema()


async def _call_tool(tool: BaseTool, arguments: dict[str, Any]) -> Any:
    given: Any = arguments
    if _wants_envelope(tool) or arguments.get("type") == "tool_call":
        key = f"call_{digest(arguments, 12)}"
        given = {"type": "tool_call", "name": tool.name, "args": arguments, "id": key}
    if getattr(tool, "coroutine", None) is not None or type(tool)._arun not in SYNC_ONLY:
        return await tool.ainvoke(given)
    return await in_thread(lambda: tool.invoke(given))


def _wants_envelope(tool: BaseTool) -> bool:
    """Whether a bare call would lose something: the artifact, that a handled error was one, or the id of the call.
    Every other tool is called bare, because what it returns is then still data and not yet text."""
    handles = tool.handle_tool_error or tool.handle_validation_error
    return (
        bool(handles) or tool.response_format == "content_and_artifact" or any(map(_is_call_id, _fields(tool).values()))
    )


def _schema_of(name: str, tool: BaseTool) -> Mapping[str, Any]:
    """The schema of what a model may give to a tool."""
    if isinstance(tool, Tool) and tool.args_schema is None:
        return {"type": "object", "properties": tool.args, "required": list(tool.args)}
    model: Any = tool.tool_call_schema
    if isinstance(model, dict):
        described: Mapping[str, Any] = model
    else:
        described = model.model_json_schema() if issubclass(model, BaseModel) else model.schema()
    shown = described.get("properties", {})
    taken = RESERVED & set(shown) if isinstance(tool, StructuredTool) else ()
    if taken:
        raise UsageError(f"{name} has an argument {min(taken)!r}, which LangChain keeps for itself", fix="Rename it")
    injected = [key for key, field in _fields(tool).items() if key not in shown and field.is_required()]
    missing = [key for key in injected if not _is_call_id(_fields(tool)[key])]
    if missing:
        told = f"{name} wants {', '.join(missing)}, which only LangGraph's ToolNode injects"
        raise UsageError(told, fix="Wrap what needs no state of a graph, or give these arguments a default")
    return described


def _fields(tool: BaseTool) -> dict[str, FieldInfo]:
    """All fields of a tool's input, injected ones too. Empty: it is described by a JSON schema, or by an old model."""
    schema = tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_schema()
    return getattr(schema, "model_fields", {})


def _is_call_id(field: FieldInfo) -> bool:
    return any(mark is InjectedToolCallId or isinstance(mark, InjectedToolCallId) for mark in field.metadata)
