"""LangChain tools and runnables as operators: what reaches them, from where, and what is refused."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Annotated, Any

import pytest
from flowwright.errors import UsageError
from flowwright.operators import Registry
from flowwright.operators.arguments import BadArguments
from flowwright.operators.tools.adapter import tool_operator
from flowwright.operators.tools.schema import parameters_of
from foreign_tools import JSON, acall, call, fault_from, multiply, raising
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, Tool, tool
from langgraph.prebuilt import InjectedState

# -- every kind of tool is called, from sync and async code


class Search(BaseTool):
    """A class of its own, without a schema of its own."""

    name: str = "search-pages"
    description: str = "Search pages."

    def _run(self, query: str, most: int = 3) -> str:
        return f"{query}:{most}"


class Waiting(Search):
    """The same with a coroutine; its blocking form does not work."""

    def _run(self, query: str, most: int = 3) -> str:
        raise AssertionError("the coroutine is there")

    async def _arun(self, query: str, most: int = 3) -> str:
        return f"{query}:{most}"


async def _amultiply(a: int, b: int = 2) -> int:
    await asyncio.sleep(0)
    return a * b


ASYNC_ONLY = StructuredTool.from_function(coroutine=_amultiply, name="multiply", description="Multiply.")
SCHEMA_ONLY = StructuredTool(
    name="multiply",
    description="Multiply.",
    args_schema={"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    func=lambda a, b=2: a * b,
)
KINDS: list[tuple[BaseTool, dict[str, Any], str]] = [
    (multiply, {"a": 3}, "6"),
    (ASYNC_ONLY, {"a": 3, "b": 4}, "12"),
    (SCHEMA_ONLY, {"a": 3}, "6"),
    (Search(), {"query": "x"}, "x:3"),
    (Waiting(), {"query": "x", "most": 1}, "x:1"),
    (Tool("upper", lambda text: text.upper(), "Upper case."), {"tool_input": "abc"}, "ABC"),
]


@pytest.mark.parametrize(("made", "arguments", "text"), KINDS)
async def test_every_kind_of_tool_gives_the_same_awaited_called_in_a_thread_and_called_in_a_loop(
    made: BaseTool, arguments: dict[str, Any], text: str
) -> None:
    operator = tool_operator(made)
    outcomes = [
        await acall(operator, **arguments),
        await asyncio.to_thread(call, operator, **arguments),
        call(operator, **arguments),
    ]
    assert [outcome.content for outcome in outcomes] == [text] * 3
    assert {outcome.kind for outcome in outcomes} == {"result"}


def test_a_tool_is_an_operator_with_typed_arguments_that_a_registry_takes() -> None:
    operator = tool_operator(multiply, approval=True, cost=0.5)
    assert operator.parameters == {
        "type": "object",
        "description": "Multiply two integers.",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 2}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert (operator.name, operator.purpose, operator.approval) == ("MULTIPLY", "Multiply two integers.", True)
    assert operator.accepts == "a (integer), b (integer, optional)"
    assert not operator.needs_model
    registry = Registry.load().extended([operator])
    assert call(registry["MULTIPLY"], a=4).data == {"cost": 0.5, "structured": 8}
    renamed = replace(tool_operator(Search(), name="FIND"), name="LOOK_UP")
    assert fault_from(replace(raising(ValueError("no")), name="BROKEN")).message.startswith("BROKEN failed")
    assert call(renamed, query="y").content == "y:3"


@pytest.mark.parametrize("arguments", [{}, {"a": "3"}, {"a": 3, "c": 1}, {"a": 3, "b": None}])
def test_arguments_that_do_not_fit_never_reach_the_tool(arguments: dict[str, Any]) -> None:
    with pytest.raises(BadArguments, match="the arguments of MULTIPLY do not fit"):
        tool_operator(multiply).bind("", {}, arguments=arguments)


NAMES = ["a", "type", "args", "id", "name", "kwargs", "self", "query"]
EVERY_NAME: dict[str, Any] = {"type": "object", "properties": {name: {} for name in NAMES}}


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, JSON)))
@settings(max_examples=40, deadline=None)
def test_the_arguments_that_reach_a_tool_are_those_given(arguments: dict[str, Any]) -> None:
    seen: list[dict[str, Any]] = []

    class Recorder(BaseTool):
        name: str = "record"
        description: str = "Records."
        args_schema: Any = EVERY_NAME

        def _run(_, **given: Any) -> str:  # noqa: N805 -- `self` is one of the names
            seen.append(json.loads(json.dumps(given)))
            given["a"] = "changed"
            if isinstance(given["args"], list):
                given["args"].append("changed")
            return "done"

    before = json.loads(json.dumps(arguments))
    operator = tool_operator(Recorder())
    call(operator, **arguments)
    call(operator, **{**arguments, "type": "tool_call"})
    assert seen == [before, {**before, "type": "tool_call"}]
    assert arguments == before


def test_a_sync_tool_runs_beside_the_event_loop_and_an_async_one_on_it() -> None:
    def where() -> str:
        """Tell the thread."""
        return threading.current_thread().name

    async def awhere() -> str:
        """Tell the thread."""
        return threading.current_thread().name

    async def both() -> list[str]:
        made = (tool_operator(tool(where)), tool_operator(tool(awhere)))
        return [(await acall(operator)).content for operator in made]

    assert asyncio.run(both()) == ["flowwright-tool", threading.current_thread().name]


def test_callbacks_tags_and_settings_of_the_caller_reach_the_tool() -> None:
    seen: list[RunnableConfig] = []

    @tool
    def tell(config: RunnableConfig) -> str:
        """Tell the settings."""
        seen.append(config)
        return "told"

    operator = tool_operator(tell)
    assert operator.parameters == parameters_of("T", {"type": "object", "properties": {}}, "Tell the settings.")
    operator.bind("", {}, arguments={}).invoke({}, {"metadata": {"who": "me"}, "configurable": {"x": 1}})
    assert seen[0]["configurable"]["x"] == 1
    assert seen[0]["metadata"]["operator"] == "TELL"


# -- what is refused before anything runs


def test_a_tool_that_wants_what_only_a_tool_node_injects_is_refused() -> None:
    @tool
    def look(x: int, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Look at the state."""
        return str(state)

    with pytest.raises(UsageError, match="LOOK wants state, which only LangGraph's ToolNode injects"):
        tool_operator(look)


def test_a_tool_that_wants_its_calls_id_gets_one_that_depends_on_the_arguments_alone() -> None:
    @tool
    def identify(x: int, call_id: Annotated[str, InjectedToolCallId]) -> str:
        """Tell the id."""
        return call_id

    operator = tool_operator(identify)
    assert "call_id" not in operator.parameters["properties"]  # type: ignore[index]
    first, second, third = (call(operator, x=x).content for x in (1, 1, 2))
    assert first == second != third
    assert first.startswith("call_")


def test_an_argument_that_langchain_keeps_for_itself_is_refused() -> None:
    made = StructuredTool(
        name="t",
        description="T.",
        args_schema={"type": "object", "properties": {"config": {"type": "string"}}},
        func=lambda config: config,
    )
    with pytest.raises(UsageError, match="T has an argument 'config', which LangChain keeps for itself"):
        tool_operator(made)


@pytest.mark.parametrize("terms", [{"timeout": 0}, {"timeout": -1}, {"cost": -0.1}, {"timeout": math.nan}])
def test_terms_that_make_no_sense_are_refused(terms: Any) -> None:
    with pytest.raises(UsageError, match="timeout > 0, cost >= 0"):
        tool_operator(multiply, **terms)


def test_adapters_import_no_mcp() -> None:
    code = "import sys, flowwright.operators.tools.adapter, flowwright.operators.tools.mcp; print('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
