"""What holds of every AgentFlow run and of every planner's reply, as properties: what was told stays told, what was
written is read, and a run is a function of what models and tools say."""

from __future__ import annotations

import json
import re
import threading
from itertools import pairwise
from typing import Any

import pytest
from agentflow_script import (
    FINISH,
    KINDS,
    OFFERED,
    asked,
    decide,
    finished,
    graph_of,
    kind_of,
    multiply,
    reply,
    run,
    speaker,
    step,
    steps,
)
from flowwright.graphs.agentflow import DEFAULT, EXPOSITION, PAPER, AgentFlow
from flowwright.graphs.chronicle import chronicle
from flowwright.graphs.labels import LABEL, read_labels
from flowwright.graphs.state import State
from flowwright.graphs.step_reply import read_step
from flowwright.graphs.system import Scene
from flowwright.graphs.tool_name import resolve_tool
from flowwright.graphs.verdict import read_verdict
from flowwright.policies import ReplyError
from flowwright.policies.escapes import commands
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import messages_to_dict
from langchain_core.tools import BaseTool, tool
from scripted import ScriptedModel

PIECES = [
    "</memory>", "<memory>", "</Analysis >", "<problem>", "<budget>", "</feedback>", "```", "```py\nx = 1\n```", '"', "'",
    "**", "2**10", "\\", "\\frac{1}{2}", "{", "}", '{"finish": "x"}', '{"stop": true}', "Context:", "Tool Name: PYTHON",
    "Conclusion: STOP", "\n", "\t", "\u2028", "é", "漢", "😀", " ", "{problem}", "%s", "x" * 700, "y" * 2_500,
]  # fmt: skip
PLAIN = st.characters(exclude_categories=("Cc", "Cs"))
"""Characters that a decision may hold, beside newline and tab."""
pieces = st.lists(st.sampled_from(PIECES) | st.text(PLAIN, max_size=6), max_size=6).map("".join)
ambiguous = re.compile(
    "|".join(
        f"{sign}(?:{'|'.join(c[1:] for c in commands()[kind])})" for sign, kind in (("\n", "newline"), ("\t", "tab"))
    )
)
"""A newline or tab before the rest of a LaTeX command, which is read as the command."""
texts = pieces.filter(lambda text: not ambiguous.search(text))
said = texts.filter(lambda text: bool(text.strip()))


# -- 1: what was told stays told

calls = st.builds(
    lambda name, goal, context, given: {"tool": name, "sub_goal": goal, "context": context, "inputs": []}
    | ({"arguments": {"text": given}} if name == "ECHO" else {}),
    st.sampled_from(["ECHO", "FAIL", "NOTHING", "DEFAULT"]), said, texts, texts,
)  # fmt: skip
decisions = st.one_of(
    st.lists(calls, min_size=1, max_size=3).map(lambda several: steps(*several)),
    st.builds(lambda name, goal: steps(step(name, goal)), said, said),
    st.builds(lambda goal: f"Context: c\nSub-Goal: {goal}\nTool Name: echo", said),
    st.sampled_from(["", "no decision", '{"steps": []}']),
    texts,
)
verdicts = st.one_of(said.map(lambda text: json.dumps({"analysis": text, "stop": False})), texts)


@tool
def echo(text: str) -> str:
    """Say a text."""
    return text


@tool
def fail(text: str) -> str:
    """Fail in the words of a text."""
    raise RuntimeError(text)


@tool
def nothing(text: str) -> None:
    """Give nothing."""


SECTIONS = ("problem", "analysis", "memory", "budget", "feedback")
TOOLS: tuple[BaseTool, ...] = (echo, fail, nothing)
BUDGET: dict[str, Any] = {"turns": 4, "repairs": 1, "operations": 8, "calls": 60}


def told(prompt: str) -> str:
    """A prompt up to the end of memory. No text in it, nor in what follows, opens or closes a section."""
    own, _, _ = prompt.partition("\nThat was refused and nothing of it ran:")
    tags = re.findall(r"</?(?:problem|analysis|memory|budget|feedback)\s*>", own, re.IGNORECASE)
    assert tags[:10] == [f"<{end}{name}>" for name in SECTIONS for end in ("", "/")]
    assert own != prompt or len(tags) == 10
    return prompt[: prompt.index("\n</memory>")]


@given(st.lists(decisions, min_size=4, max_size=8), verdicts, said, said, said)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_memory_after_k_turns_is_a_prefix_of_memory_after_k_plus_1(
    turns: list[str], verdict: str, question: str, analysis: str, given_text: str
) -> None:
    model = speaker(
        turns, verdict=verdict, analysis=analysis, arguments=json.dumps({"text": given_text}), operator=given_text
    )
    graph = graph_of(model, *TOOLS)
    state = finished(graph, question, budget=BUDGET)
    for kind in ("planner", "verdict"):
        prompts = asked(model, kind)
        for earlier, later in pairwise(prompts):
            assert later.startswith(told(earlier))
    history = graph.get_state_history({"configurable": {"thread_id": "case"}})
    between_turns = [one.values for one in history if not one.next or "designer" in one.next]
    lines = [chronicle(Scene.of(State(**values), DEFAULT, OFFERED)) for values in reversed(between_turns)]
    for before, after in pairwise(lines):
        assert after[: len(before)] == before
    assert lines[-1] == chronicle(Scene.of(state, DEFAULT, OFFERED))
    assert all(json.loads(line)["turn"] for line in lines[-1])


def test_every_decision_is_told_its_turn_and_the_budget() -> None:
    model = speaker([steps(step("MULTIPLY")), steps(step("NO_SUCH")), steps(step("MULTIPLY")), FINISH])
    run(model, budget={"turns": 5, "operations": 9, "calls": 30, "repairs": 0})
    shown = [json.loads(prompt.split("<budget>\n")[1].split("\n")[0]) for prompt in asked(model, "planner")]
    assert [(one["turn"], one["turns"]) for one in shown] == [(1, 5), (2, 5), (3, 5), (4, 5)]
    assert [(one["operations"], one["operations_limit"], one["calls_limit"]) for one in shown] == [
        (0, 9, 30), (1, 9, 30), (1, 9, 30), (2, 9, 30),
    ]  # fmt: skip
    assert [one["calls"] for one in shown] == [1, 4, 5, 8]


def test_the_last_turn_and_a_repeated_call_are_warned_of() -> None:
    model = speaker([steps(step("MULTIPLY"))])
    state = run(model, budget={"turns": 3})
    first, _, third = asked(model, "planner")
    assert "repeated_call" not in first
    assert "repeated_call" in third
    assert (state["status"], state["answer"], state["usage"]["turns"]) == ("best_effort", "42", 3)


def test_steps_of_one_turn_run_side_by_side_and_are_told_in_the_order_they_were_planned() -> None:
    last_is_done = threading.Event()

    @tool
    def ordered(place: int) -> int:
        """The first waits for the last."""
        if place == 0:
            assert last_is_done.wait(20)
        if place == 2:
            last_is_done.set()
        return place

    model = speaker([steps(*(step("ORDERED", arguments={"place": place}) for place in range(3))), FINISH])
    run(model, ordered)
    lines = [json.loads(line) for line in told(asked(model, "planner")[1]).split("<memory>\n")[1].split("\n")]
    assert [(line["key"], line["result"]) for line in lines[:3]] == [
        ("result@1", "0"),
        ("result@2", "1"),
        ("result@3", "2"),
    ]


# -- 2: what was written is read


names = st.sampled_from([*OFFERED]) | said.filter(lambda text: resolve_tool(text, OFFERED) is None)
actions = st.one_of(
    st.fixed_dictionaries(
        {
            "justification": texts,
            "steps": st.lists(
                st.fixed_dictionaries(
                    {"tool": names, "sub_goal": said, "context": texts, "inputs": st.lists(said, max_size=2)},
                    optional={"arguments": st.dictionaries(texts, texts | st.integers() | st.none(), max_size=2)},
                ),
                min_size=1, max_size=3,
            ),
        }
    ),
    st.fixed_dictionaries({"finish": said}),
    st.fixed_dictionaries({"give_up": said}),
)  # fmt: skip


@given(
    actions,
    st.booleans(),
    st.sampled_from([None, 1]),
    st.sampled_from(["{}", "```json\n{}\n```", "So:\n{}\nDone.", "<think>{ }</think>{}"]),
)
@settings(deadline=None)
def test_a_decision_in_json_is_read_as_it_was_written(
    action: dict[str, Any], ascii_only: bool, indent: int | None, around: str
) -> None:
    written = around.replace("{}", json.dumps(action, ensure_ascii=ascii_only, indent=indent), 1)
    reading = decide(written)
    assert (reading.action, list(reading.notices)) == (action, [])


BLOCK = "\n```yaml\ntool: hammer\n```\n"
quoted = st.lists(
    st.sampled_from([BLOCK, *(one for one in PIECES if "```" not in one)]) | st.text(PLAIN, max_size=6), max_size=6
).map("".join)
paragraphs = quoted.map(str.strip).filter(
    lambda text: bool(text) and not any(LABEL.match(line) for line in text.replace(BLOCK.strip(), "").split("\n"))
)
"""Texts of several lines none of which is a label, but within a code block."""
FORMS = [
    "Context: {context}\nSub-Goal: {sub_goal}\nTool Name: {tool}",
    "1. **Context**: {context}\n2. **Sub-Goal**: {sub_goal}\n3. **Tool Name**: {tool}",
    "**Justification:** because\n**Context:**\n{context}\n\n**Sub-Goal:**\n{sub_goal}\n\n**Tool Name:** `{tool}`\n",
]


@given(paragraphs, paragraphs, st.sampled_from([*OFFERED]), st.sampled_from(FORMS))
@settings(deadline=None)
def test_a_decision_in_labelled_lines_is_read_as_it_was_written(context: str, goal: str, name: str, form: str) -> None:
    written = form.replace("{tool}", name)
    at = written.index("{context}"), written.index("{sub_goal}")
    written = written[: at[0]] + context + written[at[0] + 9 : at[1]] + goal + written[at[1] + 10 :]
    reading = decide(written)
    (only,) = reading.action["steps"]
    assert (only["context"], only["sub_goal"], only["tool"]) == (context, goal, name)


@given(
    texts | st.lists(st.sampled_from([*FORMS, *PIECES]), max_size=8).map("\n".join), st.sampled_from(["stop", "length"])
)
@settings(deadline=None)
def test_any_reply_is_a_decision_or_a_typed_refusal_and_any_verdict_is_one(text: str, reason: str) -> None:
    try:
        found: Any = read_step(reply(text, reason))[0]
    except ReplyError as error:
        found = error
    if isinstance(found, ReplyError):
        assert found.code in {"empty_reply", "truncated", "no_json", "schema"}
        assert found.expected
    else:
        assert len({"steps", "finish", "give_up"} & set(found)) == 1
    assert read_verdict(reply(text, reason)).stop in {True, False}
    read_labels(text)


around = st.sampled_from(
    ["{}", "`{}`", "**{}**", '"{}"', "{}.", " {} ", "2. {}", "- {}", "{} (why)", "({})", "_{}_", "{}:"]
)
spelling = st.sampled_from(
    [str.lower, str.upper, str.title, lambda name: name.replace("_", " "), lambda name: name.replace("_", "-")]
)


@given(st.sampled_from([*OFFERED]), around, spelling)
def test_a_tool_name_in_any_dress_is_that_tool(name: str, dress: str, spell: Any) -> None:
    assert resolve_tool(dress.format(spell(name)), OFFERED) == name


@given(said)
def test_what_is_no_name_of_a_tool_is_none(written: str) -> None:
    found = resolve_tool(written, OFFERED)
    bare = re.sub(r"[\W_]", "", written).casefold()
    assert found is None or found.replace("_", "").casefold() in bare


def test_a_name_that_fits_two_tools_is_none() -> None:
    twins = [multiply, multiply.model_copy(update={"name": "mul_tiply"})]
    model = speaker([steps(step("Multiply")), steps(step("MUL_TIPLY")), FINISH])
    state = run(model, *twins)
    assert [turn["outcome"] for turn in state["turns"]] == ["refused", "plan", "finish"]
    assert [one["operator"] for one in state["operations"]] == ["MUL_TIPLY"]


# -- 3: a run is a function of what models and tools say


MEASURED = ("began", "checkpoint", "namespace")


def plain(state: State) -> str:
    """A state without what names the run or tells its times."""
    calls = [{name: value for name, value in one.items() if name not in MEASURED} for one in state["calls"]]
    kept = {**state, "messages": messages_to_dict(state["messages"]), "calls": calls}
    return re.sub(
        r'("(?:seconds|began)": )[\d.e-]+', r"\1_", json.dumps(kept, sort_keys=True).replace(state["run"]["id"], "RUN")
    )


class Recorded:
    """Model and tool outputs of a run: drawn in the first run, and in a replay only what was said in it."""

    def __init__(self, said: dict[str, list[str]]) -> None:
        self.said = said
        self.model: dict[str, str] = {}
        self.tool: dict[str, str] = {}
        self.replays = False
        self.lock = threading.Lock()

    def speak(self, prompt: str, _: int) -> str:
        with self.lock:
            if prompt not in self.model:
                assert not self.replays, f"asked in the replay alone: {prompt}"
                several = self.said[kind_of(prompt)]
                self.model[prompt] = several[len(self.model) % len(several)]
            return self.model[prompt]

    def call(self, text: str) -> str:
        with self.lock:
            if text not in self.tool:
                assert not self.replays, f"called in the replay alone: {text}"
                self.tool[text] = f"{len(self.tool)} for {text}"
        if len(text) % 3 == 1:
            raise RuntimeError(self.tool[text])
        return self.tool[text]

    def final(self, question: str, seed: int) -> State:
        @tool
        def echo(text: str) -> str:
            """Say a text."""
            return self.call(text)

        graph = graph_of(ScriptedModel(script=self.speak), echo, fail, nothing)
        return finished(graph, question, seed=seed, budget=BUDGET)


outputs = st.fixed_dictionaries(
    {kind: st.lists(said, min_size=1, max_size=3) for kind in KINDS}
    | {
        "planner": st.lists(decisions, min_size=1, max_size=6),
        "verdict": st.lists(verdicts | st.just('{"stop": true}'), min_size=1, max_size=3),
        "arguments": st.lists(texts.map(lambda text: json.dumps({"text": text})), min_size=1, max_size=3),
    }
)


@given(outputs, said, st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_replay_with_the_recorded_outputs_gives_the_same_state(
    drawn: dict[str, list[str]], question: str, seed: int
) -> None:
    recorded = Recorded(drawn)
    first = recorded.final(question, seed)
    recorded.replays = True
    assert plain(recorded.final(question, seed)) == plain(first)
    assert first["run"]["seed"] == seed


def test_another_seed_question_or_output_is_another_state() -> None:
    def state(question: str = "What is 6*7?", seed: int = 7, **others: Any) -> str:
        return plain(run(speaker([steps(step("MULTIPLY")), FINISH], **others), question=question, seed=seed))

    assert state() == state()
    others = (state(seed=8), state("What is 7*6?"), state(arguments='{"a": 7, "b": 6}'), state(analysis="Hard."))
    assert len({state(), *others}) == 5


# -- presets


@pytest.mark.parametrize(("preset", "kind"), [("default", "answer"), ("exposition", "exposition")])
def test_the_answer_is_short_by_default_and_told_step_by_step_in_the_exposition(preset: str, kind: str) -> None:
    model = speaker([steps(step("MULTIPLY")), FINISH])
    state = finished(graph_of(model, preset=preset))
    assert (state["answer"], state["status"]) == ("42", "finished")
    assert {"answer", "exposition"} & set(map(kind_of, model.prompts)) == {kind}
    (asked_for,) = asked(model, kind)
    assert '"result": "42"' in asked_for


def test_the_paper_preset_is_the_published_one_and_the_default_is_ours() -> None:
    assert {*AgentFlow.presets} == {"default", "exposition", "paper"}
    assert (PAPER.designer.temperature, PAPER.executor and PAPER.executor.temperature) == (0.7, 0.0)
    assert (PAPER.budget["turns"], PAPER.budget["seconds"], PAPER.designer.max_tokens) == (10, 300, 2048)
    assert PAPER.operators == ("DEFAULT", "Programmer")
    assert "PYTHON" in DEFAULT.operators
    assert (DEFAULT.closing, EXPOSITION.closing) == ("DIRECT_ANSWER", "FULL_ANSWER")
    model = speaker(
        [steps(step("DEFAULT")), steps(step("PYTHON", arguments={"code": "1"})), steps(step("MULTIPLY")), FINISH]
    )
    state = finished(graph_of(model, preset="paper"))
    assert [(one["operator"], one["status"]) for one in state["operations"]] == [("DEFAULT", "ok"), ("MULTIPLY", "ok")]
