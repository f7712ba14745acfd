"""Foreign tools as operators: what reaches them, what becomes of what they return and raise, and what is refused."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from flowwright.digest import digest
from flowwright.errors import UsageError
from flowwright.operators import OperatorTemplate, Outcome, Registry
from flowwright.operators.arguments import BadArguments
from flowwright.operators.outcome import ToolFault
from flowwright.operators.tools.adapter import runnable_operator, tool_operator
from flowwright.operators.tools.graph import graph_operator
from flowwright.operators.tools.names import distinct, one_line, operator_name
from flowwright.operators.tools.result import LONGEST, NOTHING, json_of, outcome_of
from flowwright.operators.tools.schema import BadSchema, parameters_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, Tool, ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.errors import GraphInterrupt
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState
from langgraph.types import Command, interrupt
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@tool
def multiply(a: int, b: int = 2) -> int:
    """Multiply two integers."""
    return a * b


def call(operator: OperatorTemplate, **arguments: Any) -> Outcome:
    return operator.bind("", {}, arguments=arguments).invoke({})


async def acall(operator: OperatorTemplate, **arguments: Any) -> Outcome:
    return await operator.bind("", {}, arguments=arguments).ainvoke({})


def returning(value: Any, **settings: Any) -> OperatorTemplate:
    """A real tool that returns `value`."""
    return tool_operator(StructuredTool.from_function(lambda: value, name="give", description="Gives.", **settings))


def raising(error: BaseException) -> OperatorTemplate:
    """A real tool that raises `error`."""

    def fail() -> None:
        raise error

    return tool_operator(StructuredTool.from_function(fail, name="fail", description="Fails."))


def fault_from(operator: OperatorTemplate, **arguments: Any) -> ToolFault:
    with pytest.raises(ToolFault) as caught:
        call(operator, **arguments)
    return caught.value


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


# -- what is returned


class Point(BaseModel):
    x: int = 1
    when: datetime = datetime(2025, 1, 2, tzinfo=UTC)


RETURNED: list[tuple[Any, str, Any]] = [
    ("text", "text", None),
    ("", NOTHING, None),
    (" \n", NOTHING, None),
    (None, NOTHING, None),
    (7, "7", 7),
    (False, "false", False),
    ({"a": [1, "é"]}, '{"a": [1, "é"]}', {"a": [1, "é"]}),
    (["a", "b"], '["a", "b"]', ["a", "b"]),
    (Point(), '{"x": 1, "when": "2025-01-02T00:00:00Z"}', {"x": 1, "when": "2025-01-02T00:00:00Z"}),
    ([Point(x=2)], '[{"x": 2, "when": "2025-01-02T00:00:00Z"}]', [{"x": 2, "when": "2025-01-02T00:00:00Z"}]),
    ((1, 2), "[1, 2]", [1, 2]),
    (Decimal("1.50"), '"1.50"', "1.50"),
    (math.nan, "nan", None),
    ({"n": math.inf}, '{"n": null}', {"n": None}),
    (2**70, str(2**70), None),
    (b"\xff", "b'\\xff'", None),
    (AIMessage("said"), "said", None),
    (ToolMessage("said", tool_call_id="1", artifact={"n": 1}), "said", {"n": 1}),
    ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo", None),
    (
        ToolMessage([{"type": "text", "text": "see"}, {"type": "image", "mime_type": "image/png"}], tool_call_id="1"),
        "see\n[image image/png]",
        None,
    ),
    ("\ud800", "?", None),
]


@pytest.mark.parametrize(("value", "text", "data"), RETURNED, ids=[str(i) for i in range(len(RETURNED))])
def test_a_result_is_readable_text_and_data_where_it_is_json(value: Any, text: str, data: Any) -> None:
    outcome = call(returning(value))
    assert outcome.content == text
    assert outcome.data == {"cost": 0.0, **({} if data is None else {"structured": data})}
    assert outcome.answer is None


def test_an_artifact_is_the_data_of_a_result() -> None:
    outcome = call(returning(("two rows", {"rows": [1, 2]}), response_format="content_and_artifact"))
    assert (outcome.content, outcome.data["structured"]) == ("two rows", {"rows": [1, 2]})
    plain = call(returning(("two rows", object()), response_format="content_and_artifact"))
    assert (plain.content, "structured" in plain.data) == ("two rows", False)


def test_a_long_result_keeps_head_and_tail_and_says_how_much_is_missing() -> None:
    outcome = call(returning("a" * LONGEST + "z" * 100))
    assert outcome.content.endswith("z" * 100)
    assert "[... 100 characters left out ...]" in outcome.content
    assert outcome.data == {"cost": 0.0, "left_out": 100}
    rows = call(returning([{"n": number} for number in range(10_000)]))
    assert "structured" not in rows.data
    assert len(rows.content) < LONGEST + 100


def test_data_that_a_checkpoint_cannot_hold_is_left_to_the_text() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    assert [json_of(value) for value in (deep, cyclic, {"n": 2**63}, object(), "\ud800")] == [None] * 5
    assert outcome_of(cyclic).content == "[[...]]"


@pytest.mark.parametrize("value", [itertools.count(), Command(update={"messages": []}), iter("ab")], ids=type)
def test_what_cannot_be_a_result_is_a_fault(value: Any) -> None:
    assert "which is not a result" in fault_from(returning(value)).message


# -- what is raised


class StatusError(Exception):
    """As HTTP libraries raise them: with the response."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = type("Response", (), {"status_code": status})()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


RAISED: list[tuple[BaseException, bool, str]] = [
    (ValueError("no such page"), False, "FAIL failed: ValueError: no such page"),
    (ToolException("Ask for less."), False, "FAIL failed: Ask for less."),
    (KeyError("k"), False, "FAIL failed: KeyError: 'k'"),
    (TimeoutError(), True, "FAIL failed: TimeoutError"),
    (ConnectionResetError("reset"), True, "FAIL failed: ConnectionResetError: reset"),
    (FileNotFoundError("gone"), False, "FAIL failed: FileNotFoundError: gone"),
    (StatusError(429), True, "FAIL failed: StatusError: status 429"),
    (StatusError(404), False, "FAIL failed: StatusError: status 404"),
    (ExceptionGroup("many", [TimeoutError("a"), ExceptionGroup("in", [ConnectionError("b")])]), True,
     "FAIL failed: TimeoutError: a; ConnectionError: b"),
    (ExceptionGroup("many", [TimeoutError("a"), ValueError("b")]), False, "FAIL failed: TimeoutError: a; ValueError: b"),
    (SystemExit(3), False, "FAIL failed: SystemExit: 3"),
    (StopIteration(), False, "FAIL failed: RuntimeError: coroutine raised StopIteration"),
    (Unspeakable(), False, "FAIL failed: Unspeakable"),
    (RecursionError(), False, "FAIL failed: RecursionError"),
    (ValueError("a\n</context>\n" + "x" * 5000), False, r"FAIL failed: ValueError: a <\/context> xxx"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "retryable", "message"), RAISED, ids=[repr(e)[:30] for e, _, _ in RAISED])
async def test_a_raised_error_is_a_typed_fault(error: BaseException, retryable: bool, message: str) -> None:
    with pytest.raises(ToolFault) as caught:
        await acall(raising(error))
    assert caught.value.retryable is retryable
    assert caught.value.message.startswith(message)
    assert len(caught.value.message) < 700


def test_errors_of_http_libraries_are_told_apart_by_their_classes() -> None:
    import httpx

    assert fault_from(raising(httpx.ReadTimeout("slow"))).retryable
    assert fault_from(raising(httpx.ConnectError("refused"))).retryable
    assert not fault_from(raising(httpx.InvalidURL("bad"))).retryable


@pytest.mark.parametrize("handling", [True, "Try another title.", lambda error: f"Told: {error}"])
def test_an_error_that_the_tool_handles_itself_is_still_a_fault_in_its_words(handling: Any) -> None:
    def fail() -> None:
        raise ToolException("no page")

    made = StructuredTool.from_function(fail, name="fail", description="Fails.", handle_tool_error=handling)
    told = {True: "no page", "Try another title.": "Try another title."}.get(handling, "Told: no page")
    assert fault_from(tool_operator(made)).message == f"FAIL failed: {told}"


async def test_a_call_that_takes_too_long_ends_in_a_retryable_fault() -> None:
    released = threading.Event()

    def block() -> str:
        """Blocks."""
        released.wait(20)
        return "late"

    async def wait() -> str:
        """Waits."""
        await asyncio.sleep(20)
        return "late"

    for made in (tool(block), tool(wait)):
        began = time.monotonic()
        operator = tool_operator(made, timeout=0.1)
        with pytest.raises(ToolFault, match=r"gave no result within 0\.1 s") as caught:
            await acall(operator)
        assert caught.value.retryable
        with pytest.raises(ToolFault, match=r"gave no result within 0\.1 s"):
            await asyncio.to_thread(call, operator)
        assert time.monotonic() - began < 5
    released.set()


async def test_cancellation_passes_through() -> None:
    async def wait() -> str:
        """Waits."""
        await asyncio.sleep(20)
        return "late"

    task = asyncio.create_task(acall(tool_operator(tool(wait))))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def anything() -> st.SearchStrategy[Any]:
    odd = st.sampled_from([object(), Point(), {1, 2}, {Point: 1}, {(1, 2): 3}, b"\xff", math.nan, 2**200, 1e400, type])
    texts = st.text(st.characters(), max_size=60).map(lambda text: text * 9)
    blocks = st.lists(st.dictionaries(st.sampled_from(["type", "text", "url"]), st.text(max_size=5)), max_size=3)
    deep = st.integers(0, 400).map(lambda levels: json.loads("[" * levels + "]" * levels) if levels else [])
    messages = texts.map(lambda text: ToolMessage(text, tool_call_id="1", artifact=object()))
    return JSON | odd | texts | blocks | deep | messages | st.tuples(JSON, st.just(object()))


ERRORS = [error for error, _, _ in RAISED]


@given(
    value=anything(),
    error=st.none() | st.sampled_from(ERRORS),
    kind=st.sampled_from(["content", "content_and_artifact"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_a_tool_does_gives_a_valid_outcome_or_a_fault(
    value: Any, error: BaseException | None, kind: Literal["content", "content_and_artifact"]
) -> None:
    def do() -> Any:
        if error is not None:
            raise error
        return value

    made = StructuredTool.from_function(do, name="do", description="Does.", response_format=kind)
    try:
        outcome = call(tool_operator(made))
    except ToolFault:
        return
    assert outcome.content.strip()
    assert len(outcome.content) <= LONGEST + 60
    plain = outcome.model_dump()
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome
    serializer = JsonPlusSerializer(pickle_fallback=False)
    assert serializer.loads_typed(serializer.dumps_typed(plain)) == plain
    assert digest(plain) == digest(json.loads(outcome.model_dump_json()))


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


# -- names


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ("add", "ADD"), ("getWeather", "GET_WEATHER"), ("HTTPGet", "HTTP_GET"), ("search-pages", "SEARCH_PAGES"),
        ("a.b/c d", "A_B_C_D"), ("__x__", "X"), ("búsqueda", "BUSQUEDA"), ("v2_add3", "V2_ADD3"),
        ("</tool>", "TOOL"),
    ],
)  # fmt: skip
def test_a_name_is_the_tools_own_in_upper_snake_case(own: str, name: str) -> None:
    assert operator_name(own) == name


@pytest.mark.parametrize("own", ["", "搜索", "3d", "x" * 65, "---"])
def test_a_tool_that_cannot_be_named_is_refused_unless_a_name_is_given(own: str) -> None:
    with pytest.raises(UsageError, match=r"Pass name="):
        operator_name(own)
    assert operator_name(own, "FIND") == "FIND"
    with pytest.raises(UsageError, match="cannot be called 'find it'"):
        operator_name("find", "find it")


def test_two_tools_with_one_name_are_refused_with_both_origins() -> None:
    operator = tool_operator(multiply)
    with pytest.raises(UsageError, match="two tools would be called MULTIPLY: a of x and b of y"):
        distinct([(operator, "a of x"), (operator, "b of y")])


@given(st.text(max_size=200), st.integers(10, 80))
def test_a_strangers_text_becomes_one_bounded_line_that_opens_no_tag(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable() or not line
    assert line == one_line(line, limit) or "<" in line
    assert not any(tag in line for tag in ("<a", "</", "<A", "<!", "<?"))


# -- schemas


class Node(BaseModel):
    value: int
    inner: list[Node] = Field(default_factory=list)
    left: Node | None = None
    right: Node | None = None


class Question(BaseModel):
    """What to find."""

    text: str = Field(description="What to\nfind </context>", min_length=1, pattern="^a")
    kind: Literal["web", "book"] = "web"
    tree: Node | None = None


def test_a_schema_is_inlined_bounded_and_keeps_what_it_demands() -> None:
    schema = parameters_of("FIND", Question.model_json_schema())
    told = json.dumps(schema)
    assert "$ref" not in told
    assert "$defs" not in told
    assert "title" not in told
    assert "pattern" not in told
    assert schema["properties"]["text"] == {
        "description": r"What to find <\/context>",
        "minLength": 1,
        "type": "string",
    }
    assert schema["properties"]["kind"] == {"default": "web", "enum": ["web", "book"], "type": "string"}
    valid = Draft202012Validator(schema).is_valid
    assert valid({"text": "a", "tree": {"value": 1, "inner": [{"value": 2}]}})
    assert not valid({"text": "a", "tree": {"value": "1"}})
    assert not valid({"text": "a", "tree": {"inner": []}})
    assert not valid({"text": "a", "extra": 1})


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "array"}, "are not an object"),
        ({}, "are not an object"),
        ({"type": ["object", "null"]}, "are not an object"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/x"}}}, "points out of it"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/None"}}}, "points to nothing"),
        ({"type": "object", "properties": {"a": {"type": "strange"}}}, "is malformed"),
        ({"type": "object", "properties": {"a": {"default": math.nan}}}, "is malformed"),
        ({"type": "object", "properties": [1]}, "properties that are not an object"),
        ({"type": "object", "properties": {"a": 1}}, "int where a schema belongs"),
        ({"type": "object", "properties": {"a": {"enum": ["x" * 20_000]}}}, "characters"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSchema, match=told):
        parameters_of("T", schema)


def test_arguments_that_a_dropped_pattern_allows_are_not_refused() -> None:
    headers = {"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": False}
    for schema in (headers, {"type": "object", "properties": {"headers": headers}}):
        kept = parameters_of("T", schema)
        assert Draft202012Validator(kept).is_valid({"x-a": "1"} if schema is headers else {"headers": {"x-a": "1"}})


def test_a_schema_that_unfolds_without_end_is_refused_or_opened_not_followed() -> None:
    bomb = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 9} for level in range(30)}
    bomb["d30"] = {"type": "string"}  # type: ignore[dict-item]
    with pytest.raises(BadSchema, match="more than 2,000 parts"):
        parameters_of("T", {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": bomb})
    loop = {"type": "object", "$ref": "#", "properties": {"a": {"$ref": "#/properties/a"}, "b": {"type": "string"}}}
    valid = Draft202012Validator(parameters_of("T", loop)).is_valid
    assert valid({"a": 1})
    assert not valid({"b": 1})
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    assert len(json.dumps(parameters_of("T", {"type": "object", "properties": {"a": deep}}))) < 1_500


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    leaf = st.sampled_from(
        [
            {"type": "string", "pattern": "^a"}, {"type": "integer", "minimum": 2}, {"const": 1}, {"enum": ["a", None]},
            {"type": ["string", "null"], "maxLength": 1}, {}, {"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"},
        ]
    )  # fmt: skip

    def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=1, max_size=3)
        named = st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
        return (
            st.builds(lambda key, each: {key: each}, st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"]), several)
            | inner.map(lambda each: {"not": each})
            | inner.map(lambda each: {"type": "array", "items": each})
            | st.tuples(inner, inner).map(lambda two: {"if": two[0], "then": two[1]})
            | inner.map(lambda each: {"$ref": "#/$defs/two", "description": "more", "contains": each})
            | st.builds(
                lambda some, most, key: {"type": "object", "properties": some, "patternProperties": most, key: False},
                named, named, st.sampled_from(["additionalProperties", "unevaluatedProperties"]),
            )
        )  # fmt: skip

    return st.recursive(leaf, around, max_leaves=5)


ONE: dict[str, Any] = {"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "b$"}]}
TWO: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#/$defs/two"}, "b": {"$ref": "#/$defs/one"}}}
SMALL: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["a", "b", "ab", "c", 1, 2, 3, None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=2),
    max_leaves=5,
)


@given(schemas(), SMALL)
@settings(max_examples=300, deadline=None)
def test_whatever_the_tools_own_schema_takes_the_kept_one_takes(inner: dict[str, Any], value: Any) -> None:
    schema = {"type": "object", "properties": {"x": inner}, "$defs": {"one": ONE, "two": TWO}}
    if Draft202012Validator(schema).is_valid({"x": value}):
        assert Draft202012Validator(parameters_of("T", schema)).is_valid({"x": value})


def test_the_version_changes_with_the_schema_the_description_and_the_revision() -> None:
    def made(description: str = "Find.", kind: str = "string", **terms: Any) -> str:
        schema = {"type": "object", "properties": {"q": {"type": kind}}}
        found = StructuredTool(name="find", description=description, args_schema=schema, func=lambda q: q)
        return tool_operator(found, **terms).version

    assert made() == made()
    assert len({made(), made(description="Seek."), made(kind="integer"), made(revision=2), made(name="SEEK")}) == 5


# -- runnables and graphs


class Sum(TypedDict):
    a: int
    b: int


async def test_a_runnable_takes_its_arguments_from_its_input_schema() -> None:
    def add(given: Sum) -> int:
        return given["a"] + given["b"]

    operator = runnable_operator(RunnableLambda(add).with_types(input_type=Sum), name="ADD", purpose="Add.")
    assert operator.accepts == "a (integer), b (integer)"
    assert (await acall(operator, a=1, b=2)).content == "3"
    with pytest.raises(BadArguments):
        operator.bind("", {}, arguments={"a": 1})
    told = runnable_operator(RunnableLambda(len), name="COUNT", purpose="Count.", parameters=Question)
    assert call(told, text="abc").content == "1"


def test_a_runnable_without_an_object_for_input_is_refused() -> None:
    for runnable in (RunnableLambda(lambda text: text), RunnableLambda(len).with_types(input_type=str)):
        with pytest.raises(BadSchema, match="the arguments of COUNT are not an object"):
            runnable_operator(runnable, name="COUNT", purpose="Count.")
    strange: Any = RunnableLambda(len).with_types(input_type=threading.Thread)
    with pytest.raises(BadSchema, match="Pass parameters"):
        runnable_operator(strange, name="COUNT", purpose="Count.")


class Task(TypedDict, total=False):
    question: str
    answer: str
    note: str


def solver(act: Callable[[Task], Task], **settings: Any) -> Any:
    builder = StateGraph(Task)
    builder.add_node("solve", act)
    builder.add_edge(START, "solve")
    return builder.compile(**settings)


def chatter(**settings: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node(
        "say", lambda state: {"messages": [AIMessage(f"{len(state['messages'])}: {state['messages'][-1].text}")]}
    )
    builder.add_edge(START, "say")
    return builder.compile(**settings)


async def test_a_chat_graph_takes_one_question_and_its_last_message_is_the_result() -> None:
    operator = graph_operator(chatter(), name="ASK", purpose="Ask.")
    assert operator.accepts == "question (string)"
    assert (await acall(operator, question="why?")).content == "1: why?"
    assert call(operator, question="how?").content == "1: how?"


def test_a_graph_with_a_state_of_its_own_takes_its_channels_and_gives_one_key_or_all() -> None:
    graph = solver(lambda state: {"answer": state["question"].upper()})
    whole = graph_operator(graph, name="SOLVE", purpose="Solve.")
    assert call(whole, question="q").data["structured"] == {"question": "q", "answer": "Q"}
    one = graph_operator(graph, name="SOLVE", purpose="Solve.", parameters=Question, answer="answer",
                         enter=lambda given: {"question": given["text"]})  # fmt: skip
    assert call(one, text="q").content == "Q"
    other = graph_operator(graph, name="SOLVE", purpose="Solve.", answer="note")
    assert "its final state has no 'note'" in fault_from(other, question="q").message


async def test_a_graph_called_inside_a_run_has_a_thread_of_its_own() -> None:
    own, callers = InMemorySaver(), InMemorySaver()
    graphs = (chatter(checkpointer=own), chatter())
    operators = [graph_operator(graph, name="ASK", purpose="Ask.") for graph in graphs]

    async def act(state: Task) -> Task:
        told = [await acall(operator, question=state["question"]) for operator in operators for _ in range(2)]
        return {"answer": " | ".join(outcome.content for outcome in told)}

    outer = solver(act, checkpointer=callers)  # type: ignore[arg-type]
    settings: RunnableConfig = {"configurable": {"thread_id": "callers"}}
    for _ in range(2):
        state = await outer.ainvoke({"question": "why?"}, settings)
    assert state["answer"] == " | ".join(["1: why?"] * 4)
    assert _threads(callers) == {("callers", "")}
    assert len(_threads(own)) == 4
    assert ("callers", "") not in _threads(own)


async def test_a_runnable_with_a_graph_inside_runs_apart_too() -> None:
    callers = InMemorySaver()
    chain: Any = RunnableLambda(lambda given: {"messages": [HumanMessage(given["q"])]}) | chatter()
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    operator = graph_operator(chain, name="ASK", purpose="Ask.", parameters=schema)

    async def act(state: Task) -> Task:
        return {"answer": (await acall(operator, q=state["question"])).content}

    outer = solver(act, checkpointer=callers)  # type: ignore[arg-type]
    assert (await outer.ainvoke({"question": "x"}, {"configurable": {"thread_id": "t"}}))["answer"] == "1: x"
    assert _threads(callers) == {("t", "")}


def _threads(saver: InMemorySaver) -> set[tuple[str, str]]:
    places = [one.config["configurable"] for one in saver.list(None)]
    return {(place["thread_id"], place["checkpoint_ns"]) for place in places}


def test_a_graph_that_stops_to_ask_a_person_is_a_fault_not_a_result() -> None:
    graph = solver(lambda state: {"answer": interrupt("may I?")}, checkpointer=InMemorySaver())
    operator = graph_operator(graph, name="SOLVE", purpose="Solve.", answer="answer")
    assert "it stopped to ask a person" in fault_from(operator, question="q").message


def test_a_graph_is_no_plain_runnable_and_one_without_a_saver_of_its_own_is_refused() -> None:
    with pytest.raises(UsageError, match="Use graph_operator"):
        runnable_operator(chatter(), name="ASK", purpose="Ask.")
    with pytest.raises(UsageError, match="ASK has the checkpointer of a graph around it"):
        graph_operator(chatter(checkpointer=True), name="ASK", purpose="Ask.")


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_tool_that_asks_a_person_interrupts_the_callers_run_and_goes_on_when_it_is_resumed(
    blocking: bool,
) -> None:
    def ask(what: str) -> str:
        """Ask a person."""
        return f"{interrupt(what)}!"

    async def aask(what: str) -> str:
        """Ask a person."""
        return f"{interrupt(what)}!"

    operator = tool_operator(tool(ask) if blocking else tool(aask))

    async def act(state: Task) -> Task:
        return {"answer": (await acall(operator, what=state["question"])).content}

    outer = solver(act, checkpointer=InMemorySaver())  # type: ignore[arg-type]
    settings: RunnableConfig = {"configurable": {"thread_id": "t"}}
    waiting = await outer.ainvoke({"question": "may I?"}, settings)
    assert [one.value for one in waiting["__interrupt__"]] == ["may I?"]
    assert (await outer.ainvoke(Command(resume="yes"), settings))["answer"] == "yes!"
    with pytest.raises(GraphInterrupt):
        call(raising(GraphInterrupt()))


def test_adapters_import_no_mcp() -> None:
    code = "import sys, flowwright.operators.tools.adapter, flowwright.operators.tools.mcp; print('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
