"""Runnables and compiled graphs as operators, and whose thread they write into."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flowwright.errors import UsageError
from flowwright.operators.arguments import BadArguments
from flowwright.operators.tools.adapter import runnable_operator, tool_operator
from flowwright.operators.tools.graph import graph_operator
from flowwright.operators.tools.schema import BadSchema
from foreign_tools import acall, call, fault_from, raising
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphInterrupt
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict


class Question(BaseModel):
    text: str


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


def test_a_graph_without_a_state_gives_what_it_returns() -> None:
    @entrypoint()
    def shout(given: dict[str, Any]) -> str:
        return str(given["text"]).upper()

    operator = graph_operator(shout, name="SHOUT", purpose="Shout.", parameters=Question)
    assert call(operator, text="hey").content == "HEY"
