"""FlowSteer on the whole system: what each tricky case of the published canvas comes to here."""

from __future__ import annotations

import json
import re

from canvas_script import FINISH, add, codes, node, outcomes, play
from flowwright.graphs.canvas.board import Board
from flowwright.graphs.canvas.dsl import dsl_of
from flowwright.graphs.flowsteer import DEFAULT, PAPER, FlowSteer
from flowwright.graphs.state import State
from flowwright.graphs.system import Scene
from flowwright.operators.registry import Registry


def dsl(state: State) -> str:
    return dsl_of(Board.of(state["canvas"] or {}).canvas)


def ran(state: State) -> list[str]:
    return [one["operator"] for one in state["operations"]]


def test_e1_an_unknown_operator_is_refused_at_once_and_the_run_goes_on() -> None:
    state, _, _ = play([add("Foo"), add("Custom"), FINISH])
    assert outcomes(state) == ["refused", "plan", "finish"]
    assert codes(state, 1) == ["unknown_operator"]
    assert (state["status"], state["answer"]) == ("finished", "42")


def test_e2_modifying_a_structure_as_if_it_were_an_operator_is_refused_at_once() -> None:
    parallel = {"action": "parallel", "branches": [[node("Custom")], [node("Custom")]]}
    wrong = {"action": "modify", "target": "node_1", "operator": "Revise"}
    state, _, _ = play([parallel, wrong, add("ScEnsemble"), FINISH])
    assert outcomes(state) == ["plan", "refused", "plan", "finish"]
    assert codes(state, 2) == ["not_an_operator_node"]


TWO_STEP = "<action>add</action><operator>Custom</operator>"


def test_e3_and_e6_while_a_prompt_is_awaited_other_actions_are_refused_and_cancel_works() -> None:
    others = ["<action>finish</action>", "<action>delete</action><target>node_1</target>", "<action>cancel</action>"]
    state, _, _ = play([TWO_STEP, *others], preset="paper", budget={"turns": 4})
    assert codes(state, 2) == ["expected_prompt"]
    assert codes(state, 3) == ["expected_prompt"]
    assert [one["outcome"] for one in state["turns"]] == ["plan", "refused", "refused", "plan"]
    assert state["operations"] == []
    assert Board.of(state["canvas"] or {}).pending is None


def test_e4_and_e5_what_is_no_prompt_is_refused_and_the_prompt_is_still_awaited() -> None:
    replies = [TWO_STEP, "ok", "<think>I should write", "<prompt>Solve it step by step.</prompt>"]
    state, _, _ = play(replies, preset="paper", budget={"turns": 4})
    assert outcomes(state) == ["plan", "refused", "refused", "plan"]
    assert ran(state) == ["Custom"]
    assert state["operations"][0]["instruction"] == "Solve it step by step."


def test_one_operator_costs_two_rounds_in_the_published_form_and_one_in_ours() -> None:
    published, _, _ = play([TWO_STEP, "<prompt>Solve it.</prompt>"], preset="paper", budget={"turns": 2})
    ours, _, _ = play([add("Custom")], budget={"turns": 1})
    assert len(published["operations"]) == len(ours["operations"]) == 1


def test_e7_a_finish_is_told_everything_that_is_missing_at_once() -> None:
    state, _, _ = play(["<action>finish</action>"], preset="paper", budget={"turns": 1})
    assert codes(state, 1) == ["empty", "too_short", "no_structure", "no_solver", "no_checker"]
    assert PAPER.rules.min_operators == 5


def test_e8_the_answer_is_the_canvas_result_and_its_origin_is_recorded() -> None:
    state, _, _ = play([add("Custom"), {"action": "finish", "answer": "345"}])
    assert state["answer"] == "42"
    assert state["evidence"] is not None
    assert (state["evidence"]["candidate"], state["evidence"]["origin"]) == ("node_1@1", "candidate")
    assert state["turns"][-1]["action"] == {"action": "finish", "answer": "345"}


def test_e9_a_canvas_that_failed_cannot_finish_and_ends_without_an_answer() -> None:
    state, _, _ = play([add("Custom"), FINISH], lambda *_: "   ", budget={"turns": 3, "repairs": 0})
    assert codes(state, 2) == ["no_result"]
    assert (state["status"], state["answer"]) == ("failed", None)


def test_e10_the_last_round_is_terminal_with_what_the_canvas_gave_and_says_so() -> None:
    state, designer, _ = play([add("Custom")], budget={"turns": 3})
    assert len(designer.prompts) == 3
    assert state["stop"] is not None
    assert (state["stop"]["by"], state["status"], state["answer"]) == ("budget", "best_effort", "42")


def test_e11_deleting_the_only_node_invalidates_its_result() -> None:
    state, _, _ = play([add("Custom"), {"action": "delete", "target": "node_1"}], budget={"turns": 2})
    assert (state["status"], state["answer"]) == ("failed", None)


def test_e12_an_answer_with_an_alarming_word_is_no_error() -> None:
    state, _, _ = play([add("Custom"), FINISH], lambda *_: "Thinking.\nAnswer: The author of Trial and Error")
    assert (state["status"], state["answer"]) == ("finished", "The author of Trial and Error")
    assert [one["fault"] for one in state["operations"]] == [None]


def test_e13_a_question_with_letters_and_dots_disables_nothing() -> None:
    question = "A train leaves at 3 a.m. and a committee of (a) 3 must choose when to meet it."
    _, designer, _ = play([add("Programmer"), FINISH], question=question)
    assert "- Programmer:" in designer.prompts[0]


def test_e14_there_is_no_advice_that_the_rules_would_refuse() -> None:
    _, designer, _ = play(["<action>finish</action>"], preset="paper", budget={"turns": 2})
    assert "[NEXT]" not in designer.prompts[1]
    assert "5 operators or more" in designer.prompts[1]


def test_e16_the_actions_shown_in_the_prompts_are_ones_that_are_accepted() -> None:
    from flowwright.graphs.canvas.tags import read_tags
    from flowwright.operators.prompt import Prompt

    shown = Prompt.load("flowwright.graphs", "flowsteer_tags").system
    examples = re.findall(r"<action>(?:(?!, <action>).)*</\w+>", shown)
    assert len(examples) >= 10
    for one in examples:
        real = one.replace("NAME or done", "done").replace("NAME", "Custom").replace("CHECKER", "Review")
        assert read_tags(real, awaiting=False)


# -- context that fits


def test_the_directors_prompt_never_exceeds_its_budget_however_long_everything_is() -> None:
    long = "word " * 20_000
    rambling = json.dumps({"action": "set_prompt", "target": "node_99", "prompt": long})
    actions = [add("Custom", "x" * 1_900), rambling, rambling, add("Review"), add("Revise"), FINISH]
    state, designer, _ = play(actions, lambda *_: f"{long}\nVerdict: accept\nAnswer: {long[:3000]}", question=long)
    from flowwright.graphs.history import tokens_of

    assert max(tokens_of(prompt) for prompt in designer.prompts) + 2048 <= DEFAULT.context
    assert state["status"] in ("finished", "best_effort")


def test_told_anew_older_turns_become_one_line_and_the_latest_stay_verbatim() -> None:
    actions = [*(add("Custom", f"attempt {number}") for number in range(6)), FINISH]
    state, _, _ = play(actions)
    last = FlowSteer().messages(Scene.of({**state, "calls": []}, DEFAULT, Registry.load()))[-1].text
    history = [json.loads(line) for line in last.partition("<history>\n")[2].partition("\n</history>")[0].splitlines()]
    told, verbatim = history[:6], history[6:]
    assert [one["turn"] for one in told] == [1, 2, 3, 4, 5, 6]
    assert all(len(json.dumps(one)) < 120 for one in told)
    assert [(one["turn"], json.loads(one["reply"])["prompt"]) for one in verbatim] == [
        (number, f"attempt {number - 1}") for number in (4, 5, 6)
    ]


def test_what_was_cut_can_be_inspected() -> None:
    text = "".join(f"[{number}]" for number in range(3_000)) + "\nAnswer: 42"
    looked = {"action": "inspect", "node": "node_1", "span": [100, 160]}
    _, designer, _ = play([add("Custom"), looked, FINISH], lambda *_: text)
    (line,) = [line for line in designer.prompts[2].splitlines() if line.startswith('{"inspected"')]
    assert json.loads(line)["output"] == text[100:160]
    assert text[100:160] not in designer.prompts[1]


# -- only what changed runs


def test_an_edit_runs_only_what_it_changed() -> None:
    actions = [
        add("Plan"), add("Custom", "first"), add("Review"), {"action": "set_prompt", "target": "node_2", "prompt": "second"},
        {"action": "undo", "edits": 1}, FINISH,
    ]  # fmt: skip
    state, _, _ = play(actions)
    by_turn = {turn: [one["node"] for one in state["operations"] if one["turn"] == turn] for turn in range(1, 7)}
    assert by_turn == {1: ["node_1"], 2: ["node_2"], 3: ["node_3"], 4: ["node_2"], 5: [], 6: []}
    assert dsl(state) == "Plan -> Custom -> Review"


def test_a_parallel_runs_side_by_side_and_a_conditional_by_what_its_check_found() -> None:
    actions = [
        {"action": "parallel", "branches": [[node("Custom", "a")], [node("Custom", "b")]]},
        {
            "action": "conditional", "condition": node("Review"), "when": {"test": "passes", "negate": True},
            "then": [node("Revise")], "otherwise": [node("Format")],
        },
        FINISH,
    ]  # fmt: skip
    accepted, _, _ = play(actions)
    rejected, _, _ = play(
        actions, lambda name, *_: "No.\nVerdict: reject" if name == "REVIEW_SOLUTION" else "Answer: 7"
    )
    assert ran(accepted) == ["Custom", "Custom", "Review", "Format"]
    assert ran(rejected) == ["Custom", "Custom", "Review", "Revise"]
