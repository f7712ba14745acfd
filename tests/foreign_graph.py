"""A graph as a stranger writes it: a typed plan, two parallel thinkers, a join, a sub-agent with a tool loop, a flaky
node. It knows nothing of any recorder; `reply` is what the models at the other end of the wire say."""

from __future__ import annotations

import operator
import time
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy, Send
from pydantic import BaseModel
from scripted_server import Answer, Request


class Plan(BaseModel):
    """What to look into."""

    topic: Literal["sums", "words"]


class State(TypedDict, total=False):
    task: str
    plan: dict[str, Any]
    who: str
    thoughts: Annotated[list[str], operator.add]
    answer: str
    checked: str


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    time.sleep(0.02)
    return a + b


@tool
def weigh(thing: str) -> int:
    """Weigh a thing."""
    if thing == "ghost":
        raise ValueError("a ghost has no weight")
    time.sleep(0.02)
    return len(thing)


def reply(request: Request) -> Answer:
    """What the models say, by the last message."""
    said = request.body["messages"]
    last = str(said[-1]["content"])
    if said[-1]["role"] == "tool":
        done = sum(message["role"] == "tool" for message in said)
        if done == 2:
            return _calling(("add", '{"a": 9, "b": 4}'), turn=2)
        return Answer("It weighs thirteen.")
    if last.startswith("sum"):
        return _calling(("add", '{"a": 2, "b": 3}'), ("weigh", '{"thing": "feather"}'), turn=1)
    if request.body.get("response_format"):
        return Answer('{"topic": "sums"}')
    return Answer(f"On {last.split()[-1]} I say yes.")


def _calling(*calls: tuple[str, str], turn: int) -> Answer:
    named = tuple((f"call_{turn}_{index}", name, arguments) for index, (name, arguments) in enumerate(calls))
    return Answer(
        "<tool_call> " + " ".join(arguments for _, arguments in calls), tool_calls=named, finish_reason="tool_calls"
    )


def build(
    llm: BaseChatModel, checkpointer: Any = None, *, flaky: bool = False, tools: Sequence[BaseTool] = ()
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph. `flaky`: the last node fails once after its call. `tools` are asynchronous ones for the sub-agent, by
    the same names."""
    agent = create_agent(llm, [*tools] or [add, weigh], name="mathematician")
    chain = ChatPromptTemplate.from_messages([("system", "You are {who}."), ("user", "{task}")]) | llm
    planner = llm.with_structured_output(Plan, method="json_schema")
    tries: Counter[str] = Counter()

    def plan(state: State) -> State:
        made = planner.invoke(state["task"])
        assert isinstance(made, Plan)
        return {"plan": made.model_dump()}

    def fan(state: State) -> list[Send]:
        return [Send("think", {"who": who, "task": state["task"]}) for who in ("optimist", "critic")]

    def think(state: State) -> State:
        return {"thoughts": [str(chain.invoke(dict(state)).content)]}

    def join(state: State) -> State:
        return {"answer": str(llm.invoke("combine " + " ".join(state["thoughts"])).content)}

    def consult(state: State) -> State:
        said = agent.invoke({"messages": [("user", "sum and weigh")]})
        return {"thoughts": [str(said["messages"][-1].content)]}

    async def aconsult(state: State) -> State:
        said = await agent.ainvoke({"messages": [("user", "sum and weigh")]})
        return {"thoughts": [str(said["messages"][-1].content)]}

    def check(state: State) -> State:
        said = str(llm.invoke("check " + state["answer"]).content)
        tries["check"] += 1
        if flaky and tries["check"] == 1:
            raise ConnectionError("flaky after the model call")
        return {"checked": said}

    graph = StateGraph(State)
    for node in (plan, think, join):
        graph.add_node(node.__name__, node)
    graph.add_node("consult", aconsult if tools else consult)
    graph.add_node(
        "check", check, retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.01, retry_on=ConnectionError)
    )
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", fan, ["think"])
    for one, other in (("think", "join"), ("join", "consult"), ("consult", "check"), ("check", END)):
        graph.add_edge(one, other)
    return graph.compile(checkpointer=checkpointer)
