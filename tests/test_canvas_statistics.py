"""Numbers of a workflow, its structural score in both modes, and the gate: the published rows, one by one."""

from __future__ import annotations

import pytest
from canvas_cases import canvases
from flowwright.graphs.canvas.dsl import DslError, canvas_of, dsl_of
from flowwright.graphs.canvas.finish import TRAINING_RULES, FinishRules, concise, unmet
from flowwright.graphs.canvas.node import Canvas
from flowwright.graphs.canvas.statistics import gated_reward, published_count, statistics_of, structure_score
from hypothesis import given
from hypothesis import strategies as st

ROWS = {
    "empty": ("", 0, 0.0, -1.0, -1.0),
    "one_operator": ("Custom", 1, 0.0, -1.0, -1.0),
    "a_checker_alone": ("Plan -> Custom -> Verify", 3, 0.2, -0.8, -0.8),
    "five_operators": ("[Custom, Custom] -> Aggregate -> Verify -> Format", 5, 0.8, -0.2, -0.2),
    "six_operators": ("[Custom, Custom] -> Aggregate -> Verify -> Plan -> Format", 6, 1.0, 1.0, 0.0),
    "a_conditional": ("Test ? Revise : done -> Plan -> Custom -> Verify -> Format", 6, 1.0, 1.0, 0.0),
    "a_printed_loop": ("(Programmer -> Test) * 3 -> Plan -> Verify -> Review -> Format", 6, 0.6, -0.4, -0.4),
    "a_loop_never_printed": ("(Custom) x 3 -> Custom -> Custom -> Custom -> Plan -> Verify -> Format", 7, 1.0, 1.0, 0.0),
    "no_solver_at_all": ("[Format, Verify] -> [Format, Verify] -> [Format, Verify]", 6, 1.0, 1.0, 0.0),
    "names_of_others": (
        "MdEnsemble -> CustomCodeGenerate -> Custom -> [Custom, Custom] -> Verify -> Format", 5, 0.8, -0.2, -0.2,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "count", "score", "right", "wrong"), ROWS.values(), ids=ROWS)
def test_the_published_reward_table(text: str, count: int, score: float, right: float, wrong: float) -> None:
    found = structure_score(text, "published")
    assert published_count(text) == count
    assert found.value == score
    assert (gated_reward(found, 1.0), gated_reward(found, 0.0)) == (right, wrong)


@pytest.mark.parametrize("row", [name for name in ROWS if name != "a_loop_never_printed"])
def test_a_canvas_scores_as_its_text(row: str) -> None:
    text = ROWS[row][0]
    assert structure_score(canvas_of(text), "published") == structure_score(text, "published")
    assert structure_score(canvas_of(text)) == structure_score(text)


def test_corrected_counts_loops_and_wants_five() -> None:
    assert structure_score("(Programmer -> Test) * 3 -> Plan -> Verify -> Review -> Format").tenths == 10
    assert structure_score("[Custom, Custom] -> Aggregate -> Verify -> Format").tenths == 10
    assert structure_score("[Custom, Custom] -> Verify -> Format").tenths == 8


def test_corrected_reads_nodes_and_refuses_what_is_no_workflow() -> None:
    assert structure_score('"Verify Format" -> "a[b]"').tenths == 0
    with pytest.raises(DslError):
        structure_score(ROWS["a_loop_never_printed"][0])


@given(canvases, st.floats(0, 1))
def test_a_reward_is_below_zero_unless_the_score_is_full(canvas: Canvas, answer: float) -> None:
    score = structure_score(canvas)
    reward = gated_reward(score, answer)
    assert reward == answer if score.tenths == 10 else -1 <= reward <= -0.2
    assert score.tenths in (0, 2, 4, 6, 8, 10)


def test_the_published_statistics() -> None:
    text = "Plan -> [Custom, Custom] -> (Programmer -> Test) * 3"
    assert statistics_of(canvas_of(text)) == {
        "total_operators": 5,
        "unique_types": 4,
        "operator_list": ["Plan", "Custom", "Custom", "Programmer", "Test"],
        "has_parallel": True,
        "has_conditional": False,
        "has_loop": True,
        "node_count": 3,
        "dsl_length": len(text),
    }


@given(canvases)
def test_statistics_follow_from_the_nodes(canvas: Canvas) -> None:
    numbers = statistics_of(canvas)
    assert numbers["total_operators"] == len(numbers["operator_list"]) >= numbers["unique_types"]
    assert numbers["dsl_length"] == len(dsl_of(canvas))


# -- finish rules


def test_a_workflow_of_one_operator_may_finish_by_default() -> None:
    assert unmet(canvas_of("Custom"), FinishRules()) == []
    assert [fault["code"] for fault in unmet(Canvas(), FinishRules())] == ["empty", "too_short"]


@pytest.mark.parametrize("solver", ["Custom", "Programmer", "AnswerGenerate", "Aggregate", "Revise"])
@pytest.mark.parametrize("checker", ["Verify", "Test", "Review"])
def test_the_published_solvers_and_checkers_count(solver: str, checker: str) -> None:
    rules = FinishRules(require_checker=True)
    assert unmet(canvas_of(f"{solver} -> {checker}"), rules) == []
    assert [fault["code"] for fault in unmet(canvas_of("Plan -> Format"), rules)] == ["no_solver", "no_checker"]


def test_a_test_is_wanted_where_the_task_has_one() -> None:
    (fault,) = unmet(canvas_of("Programmer -> Verify"), FinishRules(require_checker=True, require_test=True))
    assert (fault["code"], fault["expected"]) == ("no_test", "Test")


@pytest.mark.parametrize(
    ("answer", "short"), [("42", True), ("x" * 60, True), ("x" * 61, False), ("4\n2", False), ("Step 2: 42", False)]
)
def test_a_concise_answer_is_one_short_line_without_steps(answer: str, short: bool) -> None:
    rules = FinishRules(require_format=True)
    assert concise(answer) is short
    assert bool(unmet(canvas_of("Custom"), rules, answer=answer)) is not short
    assert unmet(canvas_of("Custom -> Format"), rules, answer=answer) == []
    assert unmet(canvas_of("Custom"), rules, answer=None) == []


def test_the_rules_are_told_in_one_sentence() -> None:
    assert FinishRules().told == "A workflow can finish when it has an operator."
    told = TRAINING_RULES.told
    assert "5 operators or more; a parallel, a conditional or a loop; one of Aggregate, AnswerGenerate, Custom," in told
    assert "Format unless the answer is one short line" in told
    assert "Test" in FinishRules(require_test=True).told
