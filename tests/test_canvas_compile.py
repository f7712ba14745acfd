"""A compiled canvas is the canvas: it can be read back from the graph, it does what a walk does, and it is a LangGraph
graph like any other."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import pytest
from canvas_driver import (
    QUESTION,
    REGISTRY,
    Application,
    Oracle,
    Running,
    canvas,
    canvases,
    fork,
    loop,
    op,
    reading_model,
    when,
)
from flowwright import open_checkpointer
from flowwright.errors import UsageError
from flowwright.graphs.canvas.compile import CompiledCanvas, compile_canvas, steps_of
from flowwright.graphs.canvas.node import Canvas
from flowwright.graphs.canvas.predicate import FAILS, Passes
from flowwright.graphs.canvas.read_back import canvas_of
from flowwright.graphs.memory import Entry
from flowwright.operators.sandbox import Sandbox, SandboxUnavailable, open_sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from scripted import ScriptedModel, replies

THREAD = {"configurable": {"thread_id": "t"}}
REVIEWED = canvas(
    op(1, "Plan"),
    fork(2, [op(3, "Custom", "one"), op(4, "Revise")], [op(5, "Custom", "two")]),
    loop(6, 3, op(7, "Revise"), op(8, "Review"), until=Passes()),
    when(9, op(10, "Probe"), [op(11, "Revise")]),
)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def compiled(whole: Canvas, model: Any = None, **options: Any) -> CompiledCanvas:
    return compile_canvas(whole, registry=REGISTRY, model=model or reading_model(), **options)


def memory_of(graph: CompiledCanvas) -> list[Entry]:
    entries: list[Entry] = graph.get_state(THREAD).values["memory"]
    return entries


def applications(entries: list[Entry], whole: Canvas) -> list[Application]:
    """What a graph did, in the order of its memory."""
    contents = {one["key"]: one["content"] for one in entries}
    done = []
    for one in entries[1:]:
        node = whole.find(str(one["operation"]).partition("#")[0])
        inputs = tuple(contents[key] for key in one["inputs"])
        done.append(Application(str(one["operation"]), one["by"], node.prompt, inputs, one["content"]))
    return done


# -- the same work as a walk


@settings(deadline=None, max_examples=60)
@given(canvases())
def test_compiled_walked_and_by_the_letter_of_the_laws_a_canvas_does_the_same(whole: Canvas) -> None:
    oracle = Oracle()
    (candidates, _) = oracle.run(whole.nodes)
    graph = compiled(whole, model := reading_model(), checkpointer=InMemorySaver())
    result = graph.invoke({"question": QUESTION}, THREAD)
    assert applications(memory_of(graph), whole) == oracle.applications
    assert result["outcome"]["content"] == candidates[-1][1]

    running = Running()
    walked = running.run(whole)
    walked_by_path = {one["node"]: running.memory[one["output"]]["content"] for one in running.operations}
    assert walked_by_path == {one.path: one.output for one in oracle.applications}
    assert running.memory[walked.result]["content"] == candidates[-1][1]
    assert running.answer(whole) == result["answer"]
    assert sorted(model.prompts) == sorted(running.model.prompts) == sorted(oracle.model.prompts)


@settings(deadline=None, max_examples=60)
@given(canvases())
def test_a_canvas_survives_json_and_the_graph(whole: Canvas) -> None:
    from_json = Canvas.model_validate_json(whole.model_dump_json())
    assert canvas_of(compiled(from_json)) == whole


@settings(deadline=None, max_examples=40)
@given(canvases())
def test_the_graph_carries_the_steps_that_its_longest_way_needs(whole: Canvas) -> None:
    stubborn = ScriptedModel(script=lambda *_: "No.\nVerdict: reject")
    graph = compiled(whole, stubborn, checkpointer=InMemorySaver())
    assert graph.config is not None
    assert graph.config["recursion_limit"] == steps_of(whole)
    graph.invoke({"question": QUESTION}, THREAD)
    taken = graph.get_state(THREAD).metadata["step"]
    assert taken <= steps_of(whole)


def test_the_limit_is_exact_where_the_way_is_the_longest() -> None:
    whole = canvas(
        op(1, "Custom"), loop(2, 3, op(3, "Revise"), fork(4, [op(5, "Custom")], [op(6, "Plan"), op(7, "Plan")]))
    )
    graph = compiled(whole)
    graph.invoke({"question": QUESTION})
    with pytest.raises(GraphRecursionError):
        graph.invoke({"question": QUESTION}, {"recursion_limit": steps_of(whole) - 1})


def test_an_empty_canvas_gives_no_answer() -> None:
    assert compiled(Canvas(next_number=4)).invoke({"question": QUESTION}) == {"answer": None, "outcome": None}
    assert canvas_of(compiled(Canvas(next_number=4))) == Canvas(next_number=4)


def test_a_canvas_that_makes_no_candidate_gives_no_answer() -> None:
    assert compiled(canvas(op(1, "Plan"))).invoke({"question": QUESTION}) == {"answer": None, "outcome": None}


# -- a graph like any other


async def test_async_and_sync_do_the_same() -> None:
    first = await compiled(REVIEWED).ainvoke({"question": QUESTION})
    assert first == await asyncio.to_thread(compiled(REVIEWED).invoke, {"question": QUESTION})


async def test_a_compiled_canvas_is_a_node_of_another_graph() -> None:
    class Parent(TypedDict, total=False):
        question: str
        answer: str
        told: str

    async def tell(state: Parent) -> Parent:
        return {"told": f"It is {state['answer']}"}

    outer = StateGraph(Parent)
    outer.add_node("solve", compiled(REVIEWED, replies("Answer: 42")))
    outer.add_node("tell", tell)
    outer.add_edge(START, "solve")
    outer.add_edge("solve", "tell")
    outer.add_edge("tell", END)
    graph = outer.compile(checkpointer=InMemorySaver())
    assert (await graph.ainvoke({"question": QUESTION}, THREAD))["told"] == "It is 42"


def test_a_thread_may_ask_again() -> None:
    graph = compiled(REVIEWED, checkpointer=InMemorySaver())
    first = graph.invoke({"question": "one?"}, THREAD)
    second = graph.invoke({"question": "two?"}, THREAD)
    assert first == compiled(REVIEWED).invoke({"question": "one?"})
    assert second == compiled(REVIEWED).invoke({"question": "two?"})


def test_every_operator_node_is_a_graph_node_and_shows_its_operator_but_not_its_prompt() -> None:
    drawn = compiled(REVIEWED).get_graph()
    shown = {name: (node.metadata or {}).get("operator") for name, node in drawn.nodes.items()}
    operators = {one.id: one.operator for one in REVIEWED.walk() if one.kind == "operator"}
    assert {name: shown[name] for name in operators} == operators
    assert "two" not in drawn.draw_mermaid()


def test_branches_run_side_by_side() -> None:
    def slow(prompt: str, _: int) -> str:
        time.sleep(0.2)
        return "Answer: 1"

    whole = canvas(fork(1, *([op(number, "Custom")] for number in range(2, 7))))
    began = time.monotonic()
    asyncio.run(compiled(whole, ScriptedModel(script=slow)).ainvoke({"question": QUESTION}))
    assert time.monotonic() - began < 0.8


def test_each_node_may_have_a_model_of_its_own() -> None:
    whole = canvas(op(1, "Custom"), op(2, "Format"))
    models = {"node_1": replies("Answer: 1"), "node_2": replies("Answer: 2")}
    assert compiled(whole, lambda node: models[node.id]).invoke({"question": QUESTION})["answer"] == "2"
    assert [len(model.prompts) for model in models.values()] == [1, 1]


class Seeded(ScriptedModel):
    seed: int = 7

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        result = super()._generate(messages, stop, run_manager)
        result.generations[0].message = AIMessage(f"Answer: {kwargs['seed']}")
        return result


def test_two_nodes_with_one_prompt_and_two_passes_of_one_node_are_samples_of_their_own() -> None:
    whole = canvas(fork(1, [op(2, "Custom")], [op(3, "Custom")]), loop(4, 2, op(5, "Custom")))
    graph = compiled(whole, Seeded(script=lambda *_: ""), checkpointer=InMemorySaver())
    graph.invoke({"question": QUESTION}, THREAD)
    answers = [one["answer"] for one in memory_of(graph)[1:]]
    assert len(set(answers)) == 4
    again = compiled(whole, Seeded(script=lambda *_: ""), checkpointer=InMemorySaver())
    again.invoke({"question": QUESTION}, THREAD)
    assert [one["answer"] for one in memory_of(again)[1:]] == answers


# -- what is refused


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        (canvas(op(1, "Costum")), "no operator is called 'Costum'"),
        (canvas(op(1, "Custom"), op(1, "Custom")), "two nodes of the canvas are called node_1"),
        (Canvas(nodes=(op(1, "Custom").model_copy(update={"id": "node_1.join"}),)), "node_N"),
    ],
)
def test_what_cannot_be_compiled_is_refused_before_anything_runs(whole: Canvas, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        compiled(whole)


def test_a_missing_model_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match=r"node_1 \(Custom\) needs a model"):
        compile_canvas(canvas(op(1, "Custom")), registry=REGISTRY)


def test_a_tool_is_refused_because_a_node_holds_no_arguments() -> None:
    tool = replace(REGISTRY["Probe"], name="LOOK_UP", parameters={"type": "object"})
    with pytest.raises(UsageError, match=r"node_1 .LOOK_UP. is a tool"):
        compile_canvas(canvas(op(1, "LOOK_UP")), registry=REGISTRY.extended([tool]), model=reading_model())


def test_a_run_is_kept_and_taken_up_again_from_a_file(tmp_path: Path) -> None:
    first = compiled(REVIEWED, checkpointer=open_checkpointer(url := f"sqlite:///{tmp_path}/runs.db"))
    result = first.invoke({"question": QUESTION}, THREAD)
    again = compiled(REVIEWED, replies("never"), checkpointer=open_checkpointer(url))
    assert again.invoke(None, THREAD) == result
    assert memory_of(again) == memory_of(first)


def test_only_the_graph_of_a_canvas_can_be_read_back() -> None:
    other = StateGraph(dict).add_node("a", lambda state: state).add_edge(START, "a").compile()
    with pytest.raises(UsageError, match="not compiled from a canvas"):
        canvas_of(other)


# -- taken up again


class Crash(Exception):
    pass


@settings(deadline=None, max_examples=40)
@given(canvases(depth=2), st.integers(0, 12))
def test_a_resumed_thread_repeats_no_node_that_was_finished(whole: Canvas, at: int) -> None:
    oracle = Oracle()
    oracle.run(whole.nodes)
    reading = reading_model()
    crashed = []

    def script(prompt: str, number: int) -> str:
        if number == at:
            crashed.append(prompt)
            raise Crash
        return reading.script(prompt, number)

    graph = compiled(whole, model := ScriptedModel(script=script), checkpointer=InMemorySaver())
    try:
        graph.invoke({"question": QUESTION}, THREAD)
    except Crash:
        done, before = memory_of(graph), len(model.prompts)
        result = graph.invoke(None, THREAD)
        again = model.prompts[before:]
        asked = {one["content"] for one in done[1:]}
        assert not [one for one in asked if any(reading.script(prompt, 0) == one for prompt in again)]
    else:
        result = graph.get_state(THREAD).values
    assert applications(memory_of(graph), whole) == oracle.applications
    assert result["answer"] == compiled(whole).invoke({"question": QUESTION})["answer"]


async def test_a_branch_that_was_finished_is_not_repeated_when_its_neighbour_crashed() -> None:
    done = asyncio.Event()
    asked: list[str] = []
    broken = True

    class Model(ScriptedModel):
        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            prompt = "\n".join(message.text for message in messages)
            asked.append("quick" if "quick" in prompt else "broken")
            if asked[-1] == "broken" and broken:
                await done.wait()
                await asyncio.sleep(0.05)
                raise Crash
            done.set()
            return self._generate(messages)

    whole = canvas(fork(1, [op(2, "Custom", "quick")], [op(3, "Custom", "broken")]))
    graph = compiled(whole, Model(script=lambda *_: "Answer: 1"), checkpointer=InMemorySaver())
    with pytest.raises(Crash):
        await graph.ainvoke({"question": QUESTION}, THREAD)
    broken = False
    await graph.ainvoke(None, THREAD)
    assert sorted(asked) == ["broken", "broken", "quick"]


def test_a_retested_candidate_is_tested_once_in_the_graph_too() -> None:
    whole = canvas(op(1, "Custom"), when(2, op(3, "Probe"), [op(4, "Custom")], [op(5, "Custom")], FAILS))
    graph = compiled(whole, checkpointer=InMemorySaver())
    graph.invoke({"question": QUESTION}, THREAD)
    tests = [one["operation"] for one in memory_of(graph) if one["kind"] == "test"]
    assert tests == ["node_3", "node_3#again"]


def test_programs_are_written_run_and_tested_in_the_graph_as_in_a_walk(sandbox: Sandbox) -> None:
    def program(body: str) -> str:
        return f"```python\ndef add(a, b):\n    return {body}\n```"

    question = "Write add(a, b).\nassert add(1, 2) == 3"
    whole = canvas(op(1, "Programmer"), when(2, op(3, "Test"), [op(4, "Programmer")]))
    for one in (sandbox, None):
        model = replies(program("a - b"), program("a + b"))
        graph = compiled(whole, model, sandbox=one, checkpointer=InMemorySaver())
        result = graph.invoke({"question": question}, THREAD)
        assert result["answer"] == "def add(a, b):\n    return a + b"
        assert [one["passed"] for one in memory_of(graph) if one["kind"] == "test"] == [False, True]
