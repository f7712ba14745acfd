"""What becomes of whatever a foreign tool returns or raises."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest
from flowwright.digest import digest
from flowwright.operators import Outcome
from flowwright.operators.outcome import ToolFault
from flowwright.operators.tools.adapter import tool_operator
from flowwright.operators.tools.result import LONGEST, NOTHING, json_of, outcome_of
from foreign_tools import JSON, acall, call, fault_from, raising, returning
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import StructuredTool, ToolException, tool
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command
from pydantic import BaseModel

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
