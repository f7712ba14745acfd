"""Records stand in the user's own checkpoints, in any saver, at the step they were made in, and the graph does what it
would do without them."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Annotated, Any

import foreign_graph
import pytest
from flowwright import open_checkpointer
from flowwright.checkpoints.attach import CALL, TOOL, attached
from flowwright.checkpoints.recording.foreign import foreign_trajectories, set_aside
from flowwright.checkpoints.recording.recorder import recorded, recording
from flowwright.graphs.prompt_delta import spoken
from flowwright.policies.transport import async_client
from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy, interrupt
from pydantic import SecretStr
from scripted_server import Answer, Request, ScriptedServer, pieces, token_id
from typing_extensions import TypedDict

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # LangChain's, of a streamed schema
CONFIG: RunnableConfig = {"configurable": {"thread_id": "t1"}}
ROLES = ["plan", "think", "think", "join", "model", "model", "model", "check"]


def chat(server: ScriptedServer, **options: Any) -> ChatOpenAI:
    settings = {"model": "m", "base_url": server.url, "api_key": SecretStr("x"), "max_retries": 0}
    return ChatOpenAI(**settings | {"http_async_client": async_client()} | options)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(foreign_graph.reply) as running:
        yield running


def calls(saver: BaseCheckpointSaver[Any], thread: str = "t1") -> list[tuple[str, dict[str, Any]]]:
    """Checkpoint and record of each call, in order."""
    rows = [*saver.list({"configurable": {"thread_id": thread, "checkpoint_ns": ""}})]
    found = [(row.checkpoint["id"], call) for row in rows for call in attached(row, CALL)]
    return sorted(found, key=lambda one: one[1]["at"])


def history(graph: Any, config: RunnableConfig = CONFIG) -> list[Any]:
    """What LangGraph tells of a thread, without ids."""
    return [
        (s.values, s.next, s.metadata["source"], s.metadata["step"], [(t.name, t.error, t.interrupts) for t in s.tasks])
        for s in graph.get_state_history(config)
    ]


# every saver, sync, async and streamed

Run = Callable[[Any], None]


def invoked(graph: Any) -> None:
    graph.invoke({"task": "lift stones"}, CONFIG)


def streamed(graph: Any) -> None:
    seen = [mode for mode, _ in graph.stream({"task": "lift stones"}, CONFIG, stream_mode=["messages", "updates"])]
    assert seen.count("messages") > 20


SAVERS: dict[str, Callable[[Path], Any]] = {
    "memory": lambda path: InMemorySaver(),
    "sqlite": lambda path: SqliteSaver(sqlite3.connect(path, check_same_thread=False)),
    "ours": lambda path: open_checkpointer(f"sqlite:///{path}"),
    "ours in memory": lambda path: open_checkpointer("memory:"),
}


@contextmanager
def opened(name: str, path: Path) -> Iterator[Any]:
    saver = SAVERS[name](path)
    with ExitStack() as stack:
        if name == "sqlite":
            stack.callback(saver.conn.close)
        elif name.startswith("ours"):
            stack.callback(saver.close)
        yield saver


@pytest.mark.parametrize("run", [invoked, streamed])
@pytest.mark.parametrize("name", SAVERS)
def test_every_call_is_at_the_step_of_its_task(name: str, run: Run, server: ScriptedServer, tmp_path: Path) -> None:
    with opened(name, tmp_path / "runs.db") as saver:
        llm = recorded(chat(server))
        graph = foreign_graph.build(llm, saver, flaky=True)
        run(graph)
        owners = {
            task.id: s.config["configurable"]["checkpoint_id"]
            for s in graph.get_state_history(CONFIG)
            for task in s.tasks
        }
        found = calls(saver)
        inner = {row.checkpoint["id"] for row in saver.list({"configurable": {"thread_id": "t1"}})}
    assert len(found) == len(server.requests) == recording(llm).stored - 3 == 9
    assert sorted(one["role"] for _, one in found) == sorted([*ROLES, "check"])
    for checkpoint, one in found:
        first = one["namespace"].split("|")[0].rpartition(":")[2]
        assert owners[first] == checkpoint
        assert one["checkpoint"] in inner
        assert (one["checkpoint"] == checkpoint) == ("|" not in one["namespace"])
        assert one["token_ids"] == [token_id(p) for p in pieces(one["reply"] or said_for(one))]
        assert not one["incomplete"]
    assert [(one["turn"], one["place"]) for _, one in found if one["role"] == "think"] in (
        [(2, "0"), (2, "1")],
        [(2, "1"), (2, "0")],
    )
    assert [one["attempt"] for _, one in found if one["role"] == "check"] == [1, 2]


def said_for(one: dict[str, Any]) -> str:
    """What a tool call was sampled as."""
    return "<tool_call> " + " ".join(call["function"]["arguments"] for call in one["message"]["tool_calls"])


@pytest.mark.parametrize("mode", ["ainvoke", "astream"])
@pytest.mark.parametrize("name", ["memory", "async sqlite", "ours"])
async def test_every_call_of_an_asynchronous_run_is_stored(
    name: str, mode: str, server: ScriptedServer, tmp_path: Path
) -> None:
    llm = recorded(chat(server))

    async def run(saver: Any) -> None:
        graph = foreign_graph.build(llm, saver)
        if mode == "ainvoke":
            await graph.ainvoke({"task": "lift stones"}, CONFIG)
        else:
            assert (
                len([one async for one in graph.astream({"task": "lift stones"}, CONFIG, stream_mode="messages")]) > 20
            )

    path = tmp_path / "runs.db"
    if name == "async sqlite":
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            await run(saver)
        name = "sqlite"
    else:
        with opened(name, path) as saver:
            await run(saver)
            if name == "memory":
                assert [one["role"] for _, one in calls(saver)] == ROLES
                return
    with opened(name, path) as saver:
        assert [one["role"] for _, one in await asyncio.to_thread(calls, saver)] == ROLES
        assert recording(llm).lost == 0


@pytest.mark.parametrize("how", ["await", "sync on the loop", "in a thread", "gathered"])
@pytest.mark.parametrize("saver_on", ["this loop", "a loop elsewhere", "no loop"])
async def test_asynchronous_nodes_store_before_they_go_on(
    how: str, saver_on: str, server: ScriptedServer, tmp_path: Path
) -> None:
    llm = recorded(chat(server))

    async def node(state: MessagesState) -> dict[str, Any]:
        if how == "await":
            said = await llm.ainvoke("say one")
        elif how == "sync on the loop":
            said = llm.invoke("say one")
        elif how == "in a thread":
            said = await asyncio.to_thread(llm.invoke, "say one")
        else:
            said, _ = await asyncio.gather(llm.ainvoke("say one"), llm.ainvoke("say two"))
        return {"messages": [said]}

    builder = StateGraph(MessagesState).add_node("ask", node).add_edge(START, "ask")
    wanted = 2 if how == "gathered" else 1
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
        if saver_on == "this loop":
            await builder.compile(saver).ainvoke({"messages": []}, CONFIG)
        elif saver_on == "a loop elsewhere":  # a synchronous run of another thread, with a loop of its own for the node
            graph = (
                StateGraph(MessagesState)
                .add_node("ask", lambda state: asyncio.run(node(state)))
                .add_edge(START, "ask")
                .compile(saver)
            )
            await asyncio.to_thread(graph.invoke, {"messages": []}, CONFIG)
        else:
            memory = InMemorySaver()
            await builder.compile(memory).ainvoke({"messages": []}, CONFIG)
            assert len(calls(memory)) == wanted
            return
        assert len(await asyncio.to_thread(calls, saver)) == wanted
    assert recording(llm).stored == wanted


def test_asynchronous_calls_of_a_synchronous_run_are_stored(server: ScriptedServer, tmp_path: Path) -> None:
    llm = recorded(chat(server))

    def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [asyncio.run(llm.ainvoke("say one"))]}

    with opened("sqlite", tmp_path / "runs.db") as saver:  # it has no asynchronous methods
        graph = StateGraph(MessagesState).add_node("ask", node).add_edge(START, "ask").compile(saver)
        graph.invoke({"messages": []}, CONFIG)
        assert len(calls(saver)) == recording(llm).stored == 1


# the graph is what it was


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_run_with_records_is_the_run_without(durability: Any, server: ScriptedServer) -> None:
    bare, ours = InMemorySaver(), InMemorySaver()
    graphs = foreign_graph.build(chat(server), bare), foreign_graph.build(recorded(chat(server)), ours)
    results = [one.invoke({"task": "lift stones"}, CONFIG, durability=durability) for one in graphs]
    assert results[0] == results[1]
    assert history(graphs[0]) == history(graphs[1])
    before = [next(s for s in one.get_state_history(CONFIG) if s.next == ("join",)).config for one in graphs]
    for graph, config in zip(graphs, before, strict=True):
        graph.invoke(None, graph.update_state(config, {"thoughts": ["edit"]}, as_node="think"))
        graph.invoke({"task": "again"}, CONFIG)
    assert history(graphs[0]) == history(graphs[1])
    assert len(calls(ours)) == 8 + 5 + 8


class Grown(TypedDict, total=False):
    said: Annotated[list[str], DeltaChannel(lambda current, writes: [*current, *(one for w in writes for one in w)])]


def test_delta_channels_are_rebuilt_past_the_records(server: ScriptedServer, tmp_path: Path) -> None:
    llm = recorded(chat(server))

    def ask(state: Grown) -> Grown:
        return {"said": [str(llm.invoke(f"number {len(state['said'])}").content)]}

    builder = StateGraph(Grown).add_node("ask", ask).add_edge(START, "ask")
    with opened("ours", tmp_path / "runs.db") as saver:
        for _ in range(5):
            builder.compile(saver).invoke({"said": ["go"]}, CONFIG)
    with opened("ours", tmp_path / "runs.db") as saver:
        said = builder.compile(saver).get_state(CONFIG).values["said"]
        assert len(calls(saver)) == 5
    assert said == [one for n in range(5) for one in ("go", f"On {2 * n + 1} I say yes.")]


def test_messages_and_checkpoints_hold_no_tokens(server: ScriptedServer) -> None:
    sizes = {}
    for name, model in (("plain", chat(server)), ("recorded", recorded(chat(server)))):
        saver = InMemorySaver()

        def node(state: MessagesState, model: Any = model) -> dict[str, Any]:
            return {"messages": [model.invoke(state["messages"][-1:])]}

        graph = StateGraph(MessagesState).add_node("ask", node).add_edge(START, "ask").compile(saver)
        for _ in range(10):
            graph.invoke({"messages": [("user", "hi")]}, CONFIG)
        state = graph.get_state(CONFIG).values["messages"]
        sizes[name] = len(saver.serde.dumps_typed(state)[1])
        assert "token_ids" not in str(state)
    assert abs(sizes["recorded"] - sizes["plain"]) < 0.02 * sizes["plain"]


def test_a_tool_loop_is_stored_in_its_own_length(server: ScriptedServer) -> None:
    def size(turns: int) -> int:
        saver = InMemorySaver()
        model = recorded(chat(server))

        def node(state: MessagesState) -> dict[str, Any]:
            return {"messages": [model.invoke(state["messages"])]}

        graph = StateGraph(MessagesState).add_node("ask", node).add_edge(START, "ask").compile(saver)
        for turn in range(turns):
            graph.invoke({"messages": [("user", f"a longer question with number {turn}")]}, CONFIG)
        found = [one for _, one in calls(saver)]
        assert [one["prompt"]["continues"] for one in found] == [False] + [True] * (turns - 1)
        whole = [call.prompt_ids for _, call in spoken(found)]  # type: ignore[arg-type]
        assert len(whole[-1] or []) == turns * 6 + (turns - 1) * 5
        return len(json.dumps(found))

    assert size(40) < 2.2 * size(20)


# what LangGraph does with runs


def test_an_interrupted_task_that_runs_again_is_recorded_again(server: ScriptedServer) -> None:
    llm = recorded(chat(server))

    def ask(state: MessagesState) -> dict[str, Any]:
        said = llm.invoke("say one")
        return {"messages": [said, ("user", interrupt("go on?"))]}

    saver = InMemorySaver()
    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile(saver)
    graph.invoke({"messages": []}, CONFIG)
    (waiting,) = foreign_trajectories(saver, "t1")
    assert (waiting.status, [one["role"] for one in waiting.calls]) == ("running", ["ask"])
    graph.invoke(Command(resume="yes"), CONFIG)
    (done,) = foreign_trajectories(saver, "t1")
    assert (done.status, len(done.calls)) == ("finished", 1)
    first, second = (one for _, one in calls(saver))
    assert (first["task"], first["attempt"]) == (second["task"], second["attempt"])
    assert [(one["id"], fate) for one, fate in set_aside(saver, "t1")] == [(first["id"], "repeated")]
    assert done.calls[0]["id"] == second["id"]


def test_a_step_that_the_thread_went_on_without_is_abandoned(server: ScriptedServer) -> None:
    llm = recorded(chat(server))

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke("say one"), ("user", interrupt("go on?"))]}

    saver = InMemorySaver()
    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile(saver)
    graph.invoke({"messages": []}, CONFIG)
    graph.invoke({"messages": [("user", "something else")]}, CONFIG)
    (branch,) = foreign_trajectories(saver, "t1")
    assert len(branch.calls) == 1
    assert [fate for _, fate in set_aside(saver, "t1")] == ["abandoned"]


@pytest.mark.parametrize("checkpointer", [None, True])
def test_nested_graphs_are_recorded_with_their_path(checkpointer: Any, server: ScriptedServer) -> None:
    llm = recorded(chat(server))

    def leaf(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke("say one")]}

    inner = StateGraph(MessagesState).add_node("leaf", leaf).add_edge(START, "leaf").compile(checkpointer)
    middle = StateGraph(MessagesState).add_node("deep", inner).add_edge(START, "deep").compile(checkpointer)
    saver = InMemorySaver()
    graph = StateGraph(MessagesState).add_node("mid", middle).add_edge(START, "mid").compile(saver)
    graph.invoke({"messages": []}, CONFIG)
    ((checkpoint, one),) = calls(saver)
    assert [part.partition(":")[0] for part in one["namespace"].split("|")] == ["mid", "deep", "leaf"]
    assert checkpoint != one["checkpoint"]
    assert [c["role"] for t in foreign_trajectories(saver, "t1") for c in t.calls] == ["leaf"]


def test_a_graph_that_keeps_nothing_of_its_own_is_recorded_in_the_one_around_it(server: ScriptedServer) -> None:
    llm = recorded(chat(server))

    def leaf(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke("say one")]}

    inner = StateGraph(MessagesState).add_node("leaf", leaf).add_edge(START, "leaf").compile(False)
    saver = InMemorySaver()
    graph = StateGraph(MessagesState).add_node("mid", inner).add_edge(START, "mid").compile(saver)
    graph.invoke({"messages": []}, CONFIG)
    assert [c["role"] for t in foreign_trajectories(saver, "t1") for c in t.calls] == ["leaf"]


def agent_node(server: ScriptedServer, then: Callable[[], Any]) -> Callable[[MessagesState], dict[str, Any]]:
    agent = create_agent(recorded(chat(server)), [foreign_graph.add, foreign_graph.weigh])

    def node(state: MessagesState) -> dict[str, Any]:
        said = agent.invoke({"messages": [("user", "sum and weigh")]})
        then()
        return {"messages": said["messages"][-1:]}

    return node


def test_a_sub_agent_counts_once_after_an_interrupt(server: ScriptedServer) -> None:
    saver = InMemorySaver()
    node = agent_node(server, lambda: interrupt("go on?"))
    graph = StateGraph(MessagesState).add_node("agent", node).add_edge(START, "agent").compile(saver)
    graph.invoke({"messages": []}, CONFIG)
    graph.invoke(Command(resume="yes"), CONFIG)
    (run,) = foreign_trajectories(saver, "t1")
    assert len(run.calls) == len(run.tools) == 3
    assert len(run.calls) + len(set_aside(saver, "t1")) == len(server.requests)


def test_a_sub_agent_of_a_retried_node_stands_there_with_each_attempt(server: ScriptedServer) -> None:
    tries: list[int] = []

    def fail_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("after the agent")

    saver = InMemorySaver()
    retry = RetryPolicy(max_attempts=2, initial_interval=0.01, retry_on=ConnectionError)
    node = agent_node(server, fail_once)
    graph = (
        StateGraph(MessagesState).add_node("agent", node, retry_policy=retry).add_edge(START, "agent").compile(saver)
    )
    graph.invoke({"messages": []}, CONFIG)
    (run,) = foreign_trajectories(saver, "t1")
    assert len(run.calls) == len(server.requests) == 6


def test_a_tool_that_is_retried_has_its_last_run_in_the_trajectory(server: ScriptedServer) -> None:
    tries: list[int] = []

    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        tries.append(a)
        if len(tries) == 1:
            raise ConnectionError("no route")
        return a + b

    model = recorded(chat(server)).bind_tools([add, foreign_graph.weigh])

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    saver = InMemorySaver()
    builder = StateGraph(MessagesState).add_node("ask", ask)
    retry = RetryPolicy(max_attempts=2, initial_interval=0.01, retry_on=ConnectionError)
    builder.add_node("tools", ToolNode([add, foreign_graph.weigh], handle_tool_errors=False), retry_policy=retry)
    graph = builder.add_edge(START, "ask").add_edge("ask", "tools").compile(saver)
    graph.invoke({"messages": [("user", "sum and weigh")]}, CONFIG)
    (run,) = foreign_trajectories(saver, "t1")
    everything = [one for row in saver.list(CONFIG) for one in attached(row, TOOL)]
    assert sorted((one["tool"], one["attempt"], one["error"]) for one in run.tools) == [
        ("add", 2, None),
        ("weigh", 2, None),
    ]
    assert ("add", 1, "ConnectionError: no route") in [
        (one["tool"], one["attempt"], one["error"]) for one in everything
    ]


def test_the_functional_interface_is_recorded(server: ScriptedServer) -> None:
    llm = recorded(chat(server))

    @task
    def ask(number: int) -> str:
        return str(llm.invoke(f"number {number}").content)

    saver = InMemorySaver()

    @entrypoint(checkpointer=saver)
    def flow(count: int) -> list[str]:
        waiting = [ask(number) for number in range(count)]
        return [one.result() for one in waiting]

    assert len(flow.invoke(3, CONFIG)) == 3
    (run,) = foreign_trajectories(saver, "t1")
    assert sorted((one["role"], one["place"]) for one in run.calls) == [("ask", "0"), ("ask", "1"), ("ask", "2")]
    assert run.status == "finished"


# where there is no checkpoint to stand at


@pytest.mark.parametrize("case", ["exit", "no checkpointer"])
def test_without_stored_steps_the_sink_has_the_records(case: str, server: ScriptedServer, caplog: Any) -> None:
    saver = None if case == "no checkpointer" else InMemorySaver()
    lines: list[str] = []
    kept = recorded(chat(server), sink=lambda record: lines.append(json.dumps(record)))
    lost = recorded(chat(server))
    how: Any = {"durability": "exit"} if saver else {}
    for llm in (kept, lost):
        foreign_graph.build(llm, saver).invoke({"task": "lift stones"}, CONFIG, **how)
    assert (recording(kept).stored, recording(kept).sunk, recording(kept).lost) == (0, 11, 0)
    assert (recording(lost).stored, recording(lost).sunk, recording(lost).lost) == (0, 0, 11)
    found = [json.loads(line) for line in lines]
    assert [one["role"] for one in found if "reply" in one] == ROLES
    assert all(one["task"] for one in found)
    assert len([one for one in caplog.messages if "it is lost" in one]) == 1
    if saver is not None:
        assert calls(saver) == []


@pytest.mark.parametrize("how", ["thread", "pool", "config", "context"])
def test_calls_from_bare_threads_are_orphans_unless_they_carry_the_context(how: str, server: ScriptedServer) -> None:
    found: list[dict[str, Any]] = []
    llm = recorded(chat(server), sink=found.append)

    def ask(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as pool:
            if how == "thread":
                worker = threading.Thread(target=llm.invoke, args=("say one",))
                worker.start()
                worker.join()
            elif how == "pool":
                pool.submit(llm.invoke, "say one").result()
            elif how == "config":
                pool.submit(llm.invoke, "say one", config).result()
            else:
                pool.submit(copy_context().run, llm.invoke, "say one").result()
        return {"messages": []}

    saver = InMemorySaver()
    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile(saver)
    graph.invoke({"messages": []}, CONFIG)
    (one,) = found
    stored = how == "context"
    assert (recording(llm).orphans, recording(llm).stored, len(calls(saver))) == (
        int(not stored),
        int(stored),
        int(stored),
    )
    assert bool(one["task"]) == (how in ("config", "context"))
    assert one["run"] == ("t1" if how in ("config", "context") else "")
    assert one["role"] == ("ask" if how in ("config", "context") else "")


def test_a_users_own_metadata_does_not_hide_the_node(server: ScriptedServer) -> None:
    llm = recorded(chat(server))

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke("say one", {"metadata": {"langgraph_node": "mine"}})]}

    saver = InMemorySaver()
    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile(saver)
    graph.invoke({"messages": []}, CONFIG)
    assert [one["role"] for _, one in calls(saver)] == ["ask"]


class Locked(InMemorySaver):
    """A saver that cannot take what no task of LangGraph has written."""

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        if task_id.startswith("flowwright"):
            raise sqlite3.OperationalError("database is locked")
        super().put_writes(config, writes, task_id, task_path)


def test_a_saver_that_fails_does_not_reach_the_user(server: ScriptedServer, caplog: Any) -> None:
    found: list[dict[str, Any]] = []
    llm = recorded(chat(server), sink=found.append)
    result = foreign_graph.build(llm, Locked()).invoke({"task": "lift stones"}, CONFIG)
    assert result["checked"]
    assert (recording(llm).stored, recording(llm).sunk, recording(llm).lost) == (0, 11, 0)
    assert [one["role"] for one in found if "reply" in one] == ROLES
    assert all(one["prompt"]["parent"] is None for one in found if "reply" in one)
    assert len([one for one in caplog.messages if "database is locked" in one]) == 1


# a process that dies

CHILD = """
import sys
sys.path.insert(0, {tests!r})
import foreign_graph
from flowwright import open_checkpointer
from flowwright.checkpoints.recording.recorder import recorded
from langchain_openai import ChatOpenAI

llm = recorded(ChatOpenAI(model="m", base_url={url!r}, api_key="x", max_retries=0))
with open_checkpointer({store!r}) as saver:
    graph = foreign_graph.build(llm, saver)
    given = None if graph.get_state({config!r}).values else {{"task": "lift stones"}}
    graph.invoke(given, {config!r}, durability="sync")
"""


@pytest.mark.parametrize("after", [0, 3, 5, 7])
def test_what_was_answered_before_a_kill_is_there_after_it(after: int, tmp_path: Path) -> None:
    held = threading.Event()

    def reply(request: Request) -> Answer:
        if request.number == after and not held.is_set():
            held.set()
            return Answer(seconds=30.0)
        return foreign_graph.reply(request)

    store = f"sqlite:///{tmp_path / 'runs.db'}"
    with ScriptedServer(reply) as server:
        code = CHILD.format(tests=str(Path(__file__).parent), url=server.url, store=store, config=CONFIG)
        child = subprocess.Popen([sys.executable, "-c", code])
        assert held.wait(60)
        time.sleep(0.1)
        child.send_signal(signal.SIGKILL)
        child.wait()
        with open_checkpointer(store) as saver:
            before = [one for _, one in calls(saver)]
            assert len(before) == after
        subprocess.run([sys.executable, "-c", code], check=True)
    with open_checkpointer(store) as saver:
        found = [one for _, one in calls(saver)]
        (run,) = foreign_trajectories(saver, "t1")
        aside = set_aside(saver, "t1")
        tools = [one for row in saver.list(CONFIG) for one in attached(row, TOOL)]
    assert [one["id"] for one in before] == [one["id"] for one in found[:after]]
    assert sorted(one["role"] for one in run.calls) == sorted(ROLES)
    assert run.status == "finished"
    assert len(found) == len(run.calls) + len(aside)
    assert {fate for _, fate in aside} <= {"repeated"}
    assert len(tools) == 3
    for one in run.calls:
        assert run.spoken(one["id"]).tokens
