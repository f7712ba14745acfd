"""The graph as its users meet it: invoked, streamed, embedded, limited, interrupted and resumed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from flowwright import Context, Policies, UsageError, as_tool, build_graph, open_checkpointer
from flowwright.graphs.build import Graph
from flowwright.operators.outcome import Outcome
from flowwright.operators.registry import Registry
from flowwright.operators.template import Job, OperatorTemplate
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from scripted import ANSWER, ScriptedModel, answering, finish, operator, operator_of, replies, stage
from scripted_server import ScriptedServer

TASK = {"task": {"question": "What is 6*7?"}}
TWO_TURNS = (ANSWER, stage(operator("REVIEW_SOLUTION", ["problem", "draft"], "review")), finish("draft"))


def graph_of(designer: ScriptedModel | None = None, executor: ScriptedModel | None = None, **options: Any) -> Graph:
    policies = Policies(designer=designer or replies(*TWO_TURNS), executor=executor or answering())
    return build_graph("dyflow", policies=policies, **options)


def thread(name: str = "t") -> dict[str, Any]:
    return {"configurable": {"thread_id": name}}


def test_invoke_returns_answer_status_evidence_usage_and_messages() -> None:
    result = graph_of().invoke(TASK)
    assert (result["answer"], result["status"]) == ("42", "finished")
    assert result["evidence"] == {
        "candidate": "draft@1", "verdict": "accept", "passed": None, "support": None, "origin": "generator",
    }  # fmt: skip
    assert (result["usage"]["turns"], result["usage"]["operations"], result["usage"]["calls"]) == (3, 2, 6)
    assert isinstance(result["messages"][-1], AIMessage)


async def test_ainvoke_gives_the_same_as_invoke() -> None:
    sync = await asyncio.to_thread(lambda: graph_of().invoke(TASK))
    result = await graph_of().ainvoke(TASK)
    assert {**result["usage"], "seconds": 0} == {**sync["usage"], "seconds": 0}
    assert result["answer"] == sync["answer"]


async def test_invoke_works_inside_a_running_loop() -> None:
    assert graph_of().invoke(TASK)["status"] == "finished"


def test_batch_runs_are_independent() -> None:
    graph = graph_of(ScriptedModel(script=lambda prompt, _: finish("draft") if '"draft@1"' in prompt else ANSWER))
    results = graph.batch([TASK] * 3)
    assert [one["status"] for one in results] == ["finished"] * 3


@pytest.mark.parametrize("limit", range(5, 18))
def test_a_callers_recursion_limit_ends_the_run_with_an_answer_not_an_exception(limit: int) -> None:
    result = graph_of(replies(ANSWER)).invoke(TASK, {"recursion_limit": limit})
    assert result["status"] in {"best_effort", "failed"}
    assert (result["answer"] == "42") == (limit >= 7)


def test_the_five_roles_are_five_nodes() -> None:
    nodes = set(graph_of().get_graph().nodes) - {"__start__", "__end__"}
    assert nodes == {"summarizer", "designer", "executor", "verifier", "generator"}


def test_independent_operators_run_as_parallel_tasks_of_one_super_step() -> None:
    fan = stage(*(operator("GENERATE_ANSWER", ["problem"], f"draft{i}") for i in range(3)))
    graph = graph_of(replies(fan, finish("draft0")), checkpointer=InMemorySaver())
    graph.invoke(TASK, thread())
    steps = [snapshot.next for snapshot in graph.get_state_history(thread())]
    assert ("executor",) * 3 in steps


def test_roles_and_operations_are_streamed() -> None:
    events = list(graph_of().stream(TASK, stream_mode="custom"))
    ended = [event["role"] for event in events if event["event"] == "end"]
    assert ended[:4] == ["summarizer", "designer", "executor", "verifier"]
    assert ended[-1] == "generator"
    assert [event["operator"] for event in events if event["event"] == "start" and event["role"] == "executor"] == [
        "GENERATE_ANSWER", "REVIEW_SOLUTION"
    ]  # fmt: skip


def test_model_tokens_are_streamed_with_their_role() -> None:
    graph = build_graph("dyflow", policies=Policies(designer="offline", executor="offline"))
    chunks = list(graph.stream({"task": {"question": "What is 3*(4+5)?"}}, stream_mode="messages"))
    assert {meta["langgraph_node"] for _, meta in chunks} >= {"designer", "executor", "generator"}


def test_a_chat_app_uses_messages_and_a_second_question_is_a_second_run() -> None:
    graph = graph_of(
        ScriptedModel(script=lambda prompt, _: finish("draft") if '"draft@1"' in prompt else ANSWER),
        checkpointer=InMemorySaver(),
    )
    first = graph.invoke({"messages": [HumanMessage("What is 6*7?")]}, thread())
    second = graph.invoke({"messages": [HumanMessage("And again?")]}, thread())
    assert [message.type for message in second["messages"]] == ["human", "ai", "human", "ai"]
    assert (first["status"], second["status"]) == ("finished", "finished")
    state = graph.get_state(thread()).values
    assert (state["run"]["number"], state["usage"]["turns"]) == (2, 2)
    assert [one["key"] for one in state["memory"]] == ["problem@1", "conversation@1", "draft@1"]


def test_a_new_message_on_an_unfinished_thread_starts_a_new_run() -> None:
    def broken(prompt: str, _: int) -> str:
        if '"draft@1"' in prompt:
            return finish("draft")
        if "another question" in prompt:
            return ANSWER
        raise RuntimeError("died")

    graph = graph_of(ScriptedModel(script=broken), checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError):
        graph.invoke({"messages": [HumanMessage("first")]}, thread())
    result = graph.invoke({"messages": [HumanMessage("another question")]}, thread())
    assert result["status"] == "finished"
    assert graph.get_state(thread()).values["memory"][0]["content"] == "another question"


def test_the_graph_is_a_subgraph_of_a_chat_graph() -> None:
    parent = StateGraph(MessagesState)
    parent.add_node("solve", graph_of())
    parent.add_edge(START, "solve")
    parent.add_edge("solve", END)
    app = parent.compile(checkpointer=InMemorySaver())
    result = app.invoke({"messages": [HumanMessage("What is 6*7?")]}, thread())
    assert "42" in result["messages"][-1].text


@pytest.mark.parametrize("saver", [None, InMemorySaver()], ids=["no saver", "saver"])
def test_the_graph_is_a_tool(saver: InMemorySaver | None) -> None:
    tool = as_tool(graph_of(checkpointer=saver))
    assert list(tool.args) == ["question"]
    message = tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": {"question": "6*7?"}})
    assert message.content == "status: finished\nanswer: 42"
    assert message.artifact["answer"] == "42"


async def test_the_tool_runs_inside_an_agent_graph_and_on_its_thread() -> None:
    tool = as_tool(graph_of(), name="dyflow")
    call = AIMessage("", tool_calls=[{"name": "dyflow", "args": {"question": "6*7?"}, "id": "c1"}])
    parent = StateGraph(MessagesState)
    parent.add_node("tools", ToolNode([tool]))
    parent.add_edge(START, "tools")
    saver = InMemorySaver()
    result = await parent.compile(checkpointer=saver).ainvoke({"messages": [call]}, thread("agent"))
    assert result["messages"][-1].content == "status: finished\nanswer: 42"
    places = {
        (one.config["configurable"]["thread_id"], one.config["configurable"]["checkpoint_ns"])
        for one in saver.list(None)
    }
    assert {thread_id for thread_id, _ in places} == {"agent"}
    assert {namespace.partition(":")[0] for _, namespace in places} == {"", "tools"}


@pytest.mark.parametrize(
    ("budget", "status", "used"),
    [
        ({"turns": 1}, "best_effort", ("turns", 1)),
        ({"operations": 1}, "best_effort", ("operations", 1)),
        ({"calls": 2}, "best_effort", ("calls", 2)),
        ({"calls": 0}, "failed", ("calls", 0)),
        ({"tokens": 1}, "failed", ("calls", 1)),
        ({"seconds": 0}, "failed", ("calls", 0)),
    ],
)
def test_budgets_are_never_exceeded_and_still_give_the_best_answer(
    budget: dict[str, float], status: str, used: tuple[str, int]
) -> None:
    result = graph_of().invoke({"task": {**TASK["task"], "budget": budget}})
    assert result["status"] == status
    assert result["usage"][used[0]] == used[1]
    assert (result["answer"] == "42") == (status == "best_effort")


def test_calls_are_shared_out_inside_a_parallel_layer() -> None:
    fan = stage(*(operator("SELF_CONSISTENCY_ENSEMBLE", ["problem"], f"draft{i}") for i in range(3)))
    result = graph_of(replies(fan)).invoke({"task": {**TASK["task"], "budget": {"calls": 8}}})
    assert result["usage"]["calls"] <= 8
    assert result["answer"] == "42"


def test_a_money_budget_needs_prices() -> None:
    with pytest.raises(UsageError, match="needs prices"):
        graph_of().invoke({"task": {**TASK["task"], "budget": {"money": 1.0}}})


def test_money_is_counted_from_prices_and_ends_the_run() -> None:
    with ScriptedServer(ANSWER) as server:
        model = f"vllm:m@{server.url}"
        policies = Policies(designer=model, executor=model, prices={"m": (1000.0, 2000.0)})
        graph = build_graph("dyflow", policies=policies)
        result = graph.invoke({"task": {**TASK["task"], "budget": {"money": 0.1}}})
    usage = result["usage"]
    assert (result["status"], usage["calls"], usage["unpriced"]) == ("failed", 1, 0)
    assert usage["money"] == pytest.approx((usage["input_tokens"] * 1000 + usage["output_tokens"] * 2000) / 1e6)
    assert usage["money"] > 0.1


def test_the_designer_sees_budget_and_failures() -> None:
    designer = replies(stage(operator("NO_SUCH", ["problem"], "x")), finish("draft"), '{"give_up": "no"}')
    graph_of(designer).invoke(TASK)
    assert '"calls_limit": 100' in designer.prompts[0]
    assert "unknown_operator" in designer.prompts[1]
    assert "no_candidate" in designer.prompts[2]


def test_a_contradicted_candidate_is_never_called_finished() -> None:
    def executor(prompt: str, _: int) -> str:
        return "Wrong.\nVerdict: reject" if operator_of(prompt) == "REVIEW_SOLUTION" else "Answer: 41"

    result = graph_of(executor=ScriptedModel(script=executor)).invoke(TASK)
    assert (result["status"], result["evidence"]["verdict"]) == ("best_effort", "reject")


def test_the_generator_words_the_candidate_and_may_not_change_it() -> None:
    def executor(prompt: str, _: int) -> str:
        return "Answer: 7" if operator_of(prompt) == "ORGANIZE_SOLUTION" else "Answer: 42"

    result = graph_of(replies(ANSWER, finish("draft")), ScriptedModel(script=executor)).invoke(TASK)
    assert result["answer"] == "42"


def test_a_task_may_allow_only_some_operators() -> None:
    designer = replies(stage(operator("REVIEW_SOLUTION", ["problem", "problem"], "r")), ANSWER, finish("draft"))
    graph_of(designer).invoke({"task": {**TASK["task"], "operators": ["GENERATE_ANSWER"]}})
    assert "TEST_CODE" not in designer.prompts[0]
    assert "unknown_operator" in designer.prompts[1]


def test_an_operator_of_ones_own_is_offered_and_gets_the_model_and_the_sandbox_it_asks_for() -> None:
    def build(job: Job) -> Runnable[dict[str, Any], Outcome]:
        assert job.sandbox is not None
        assert job.sampler is not None
        return RunnableLambda(lambda _: Outcome(kind="answer", content="Answer: 42", answer="42"))

    own = OperatorTemplate("MINE", "Does it my way.", "the problem", "answer", build, max_calls=1, needs_sandbox=True)
    registry = Registry.load().extended([own])
    designer = replies(stage(operator("MINE", ["problem"], "draft")), finish("draft"))
    assert graph_of(designer, operators=registry).invoke(TASK)["answer"] == "42"
    assert "MINE" in designer.prompts[0]
    paper = replies(stage(operator("MINE", ["problem"], "draft")), '{"give_up": "no"}')
    assert graph_of(paper, operators=registry, preset="paper").invoke(TASK)["status"] == "failed"


def test_one_seed_gives_one_run_and_no_seed_is_recorded() -> None:
    def answers(seed: int | None) -> tuple[Any, int]:
        graph = build_graph(
            "dyflow", policies=Policies(designer="offline", executor="offline"), checkpointer=InMemorySaver()
        )
        graph.invoke({"task": {"question": "What is (3+4)*5-2?"}}, thread(), context=Context(seed=seed))
        state = graph.get_state(thread()).values
        return [one["content"] for one in state["memory"]], state["run"]["seed"]

    assert answers(7) == answers(7)
    assert answers(None)[1] != answers(None)[1]


def test_state_is_json_native() -> None:
    graph = graph_of(checkpointer=InMemorySaver())
    graph.invoke(TASK, thread())
    state = dict(graph.get_state(thread()).values)
    state.pop("messages")
    assert json.loads(json.dumps(state)) == state


def test_an_unexpected_exception_leaves_a_run_that_resumes_without_repeating_finished_calls(tmp_path: Path) -> None:
    failing = True

    def executor(prompt: str, _: int) -> str:
        if failing and operator_of(prompt) == "REVIEW_SOLUTION":
            raise RuntimeError("a bug in the model's client")
        return "fine\nVerdict: accept" if operator_of(prompt) == "REVIEW_SOLUTION" else "Answer: 42"

    designer, worker = replies(*TWO_TURNS), ScriptedModel(script=executor)
    with open_checkpointer(f"sqlite:///{tmp_path}/runs.db") as saver:
        with pytest.raises(RuntimeError):
            graph_of(designer, worker, checkpointer=saver).invoke(TASK, thread())
        failing = False
        result = graph_of(designer, worker, checkpointer=saver).invoke(None, thread())
    assert (result["status"], len(designer.prompts), result["usage"]["calls"]) == ("finished", 3, 6)
    operators = [operator_of(prompt) for prompt in worker.prompts]
    assert operators.count("GENERATE_ANSWER") == 1


def test_a_model_summarizer_adds_to_the_view_and_never_replaces_it() -> None:
    designer, summarizer = replies(*TWO_TURNS), replies("- draft@1 says 42")
    policies = Policies(designer=designer, executor=answering(), summarizer=summarizer)
    graph = build_graph("dyflow", policies=policies)
    assert graph.invoke(TASK)["status"] == "finished"
    assert "- draft@1 says 42" in designer.prompts[1]
    assert '"key": "draft@1"' in designer.prompts[1]


@pytest.mark.parametrize(
    "given", [{"task": {}}, {"task": {"question": " "}}, {"messages": []}, {"messages": [AIMessage("hi")]}]
)
def test_nothing_asked_is_one_clear_error(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"question|asked"):
        graph_of().invoke(given)


def test_unknown_names_are_one_clear_error() -> None:
    with pytest.raises(UsageError, match="unknown system 'dyflo'"):
        build_graph("dyflo", policies=Policies(designer="offline", executor="offline"))
    with pytest.raises(UsageError, match="no preset 'papers'"):
        graph_of(preset="papers")
    with pytest.raises(UsageError, match="no policy for the designer"):
        build_graph("dyflow", policies=Policies(executor="offline"))


def test_the_paper_preset_is_the_published_one_and_the_default_is_ours() -> None:
    from flowwright.graphs.dyflow import DEFAULT, PAPER

    assert len([*PAPER.operators, *PAPER.endings]) == 11
    assert (PAPER.designer.temperature, PAPER.executor and PAPER.executor.temperature) == (0.01, 0.01)
    assert PAPER.budget["turns"] == 8
    assert "TEST_CODE" in DEFAULT.operators
    assert "TEST_CODE" not in PAPER.operators
    designer = replies(ANSWER, stage(operator("TERMINATE", ["draft"], "end")))
    assert graph_of(designer, preset="paper").invoke(TASK)["status"] == "finished"
    assert "TERMINATE" in designer.prompts[0]


@pytest.mark.parametrize("system", ["agentflow", "flowsteer"])
def test_a_follow_up_question_comes_with_what_was_said_before(system: str) -> None:
    model = replies("Seen.\nAnswer: 42")
    graph = build_graph(system, policies=Policies(designer=model, executor=model), checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "chat"}}
    graph.invoke({"messages": [("user", "What is 6*7?")]}, config)
    model.prompts.clear()
    graph.invoke({"messages": [("user", "And times two?")]}, config)
    shown = [prompt for prompt in model.prompts if "<problem>" in prompt]
    assert shown
    assert all("What is 6*7?" in prompt and "And times two?" in prompt for prompt in shown)
