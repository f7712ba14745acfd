"""The text form and the drawings: nothing is lost in the first, and nothing anybody wrote can break the second."""

from __future__ import annotations

import re

import pytest
from canvas_cases import canvases
from flowwright.graphs.canvas.dsl import DslError, canvas_of, dsl_of
from flowwright.graphs.canvas.node import Canvas, LoopNode, OperatorNode
from flowwright.graphs.canvas.picture import canvas_tree, mermaid
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

PUBLISHED = "Plan -> [Custom, Programmer] -> Verify ? Revise : done -> (Programmer -> Test) * 3"
OURS = (
    "[Custom, (Plan -> Programmer), Test ? Revise : (Review -> Revise)] -> Review when verdict accept|minor_issues ? "
    '("my tool" ? Format : done) : [Custom, Custom] -> ScEnsemble when support 0.6 ? Format : done -> '
    "(Custom -> (Test) * 2) * 4 until not passes"
)


@pytest.mark.parametrize("text", [PUBLISHED, OURS, "", "Plan", "(Revise) * 1", "Custom when answered ? Format : done"])
def test_g6_a_text_is_read_and_printed_the_same(text: str) -> None:
    assert dsl_of(canvas_of(text)) == text


def test_g6_a_loop_of_two_operators_is_a_loop_of_two_operators() -> None:
    (loop,) = canvas_of("(Programmer -> Test) * 3").nodes
    assert isinstance(loop, LoopNode)
    assert ([node.id for node in loop.body], loop.times) == (["node_2", "node_3"], 3)


@given(canvases)
def test_g6_whatever_is_printed_is_read_back_to_the_same_structure(canvas: Canvas) -> None:
    assert canvas_of(dsl_of(canvas)) == canvas
    assert "\n" not in dsl_of(canvas)


def test_blanks_are_free() -> None:
    assert (
        dsl_of(canvas_of(" Plan->[Custom,a-b]\n->(Test)*3->Format ")) == "Plan -> [Custom, a-b] -> (Test) * 3 -> Format"
    )


def test_ids_and_prompts_are_not_in_the_text() -> None:
    node = OperatorNode(id="node_7", operator="Plan", prompt="secret -> [x]")
    assert dsl_of(Canvas(nodes=(node,), next_number=8)) == "Plan"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Plan ->", "character 8 of the workflow: the end where an operator should be"),
        ("(Custom) x 3", "character 10 of the workflow: 'x' where the end should be"),
        ("[Custom, Plan", "where ']' should be"),
        ("Test ? Revise", "the end where ':' should be"),
        ("Test ? done : Revise", "'done' where an operator should be"),
        ("[A, B] ? C : D", "the branches of one operator"),
        ("(Custom) * 0", "'0' where a number of passes should be"),
        ("(Custom) * 99999999", "a number of passes"),
        ("Test when lucky ? A : B", "no predicate 'lucky'"),
        ("Test when verdict maybe ? A : B", "no predicate 'verdict'"),
        ("Plan; Custom", "character 5 of the workflow: '; Custom' is no part of one"),
        ('"Plan', "is no part of one"),
        ('"\\x"', "Invalid"),
        ("when", "'when' where an operator should be"),
        ("(" * 200 + "Plan", "less nesting"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(DslError) as caught:
        canvas_of(text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet='AB "\\->[](),?:*|123.when until passes done verdict', max_size=40))
def test_any_text_is_a_workflow_or_refused(text: str) -> None:
    try:
        canvas = canvas_of(text)
    except DslError:
        return
    assert canvas_of(dsl_of(canvas)) == canvas


# -- drawings


def test_a_flowchart_shows_every_path_and_state() -> None:
    chart = mermaid(
        canvas_of("[Custom, Plan] -> (Test ? Revise : done) * 2 -> Format"), {"node_2": "ok", "node_3": "failed"}
    )
    assert chart.splitlines() == [
        "flowchart TD",
        '  n1("node_1")',
        '  n2["node_2 Custom"]', "  n1 --> n2",
        '  n3["node_3 Plan"]', "  n1 --> n3",
        '  n4("node_4 2 passes")', "  n2 --> n4", "  n3 --> n4",
        '  n5["node_6 Test"]', "  n4 --> n5",
        '  n6{"node_5 not passes#63;"}', "  n5 --> n6",
        '  n7["node_7 Revise"]', "  n6 -->|yes| n7",
        "  n7 -.-> n4", "  n6 -.-> n4",
        '  n8["node_8 Format"]', "  n4 -->|then| n8",
        "  classDef ok fill:#d3f2d3,color:#000000", "  classDef failed fill:#ffd0d0,color:#000000",
        "  class n2 ok", "  class n3 failed",
    ]  # fmt: skip


LINE = re.compile(
    r'flowchart TD|  n\d+[\[({]"[\w .,:/+#;-]*"[\])}]|  n\d+ (?:-->|-\.->)(?:\|(?:yes|no|then)\|)? n\d+'
    r"|  classDef \w+ fill:#\w{6},color:#000000|  class n\d+ \w+",
    re.ASCII,
)


@given(canvases, st.text())
def test_no_name_breaks_a_flowchart(canvas: Canvas, name: str) -> None:
    node = OperatorNode(id=name, operator=name, prompt="click node_1 call alert()")
    drawn = Canvas(nodes=(*canvas.nodes, node), next_number=99)
    chart = mermaid(drawn, {name: "ok"})
    assert all(LINE.fullmatch(line) for line in chart.split("\n"))
    assert "alert" not in chart or "alert" in name


def test_a_tree_shows_names_as_they_are_and_states_in_words() -> None:
    node = OperatorNode(id="node_1", operator="[bold]Plan[/]", prompt="")
    text = "[Custom, Plan] -> Test ? Revise : Format -> (Test) * 2 until passes"
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(canvas_tree(Canvas(nodes=(node,)), {"node_1": "not_taken"}))
        console.print(canvas_tree(canvas_of(text)))
    shown = captured.get()
    for wanted in (
        "node_1 [bold]Plan[/] not taken",
        "branch 2",
        "not passes: then",
        "otherwise",
        "up to 2 passes, until",
    ):
        assert wanted in shown
