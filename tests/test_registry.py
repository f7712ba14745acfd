"""Operators by name: ours, those of installed distributions, and what happens when names clash or plug-ins break."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from flowwright.errors import UsageError
from flowwright.operators import OperatorTemplate, Registry
from flowwright.operators.builtin import builtin_operators
from flowwright.operators.reasoning import GENERATE_ANSWER
from flowwright.operators.registry import UnknownOperator
from scripted import replies

NAMES = [
    "DECOMPOSE_PROBLEM", "GENERATE_PLAN", "GENERATE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE", "ENSEMBLE", "REVIEW_SOLUTION",
    "REFINE_ANSWER", "GENERATE_CODE", "REFINE_CODE", "TEST_CODE", "ORGANIZE_SOLUTION", "DIRECT_ANSWER", "FULL_ANSWER", "DEFAULT",
    "Plan", "Decompose", "Programmer", "Custom", "AnswerGenerate", "Test", "Review", "Verify", "Revise", "ScEnsemble",
    "Aggregate", "Format", "PYTHON", "CALCULATOR", "ALGEBRA",
]  # fmt: skip

PLUGIN = """
from dataclasses import replace
from flowwright.operators import OperatorTemplate, Outcome, Prompt, one_reply

def shout(text):
    return Outcome(kind="text", content=text.upper())

def operators():
    return [OperatorTemplate(
        name="{name}", purpose="Say it loud.", accepts="a text", output="text", build=one_reply(shout),
        prompts=(Prompt.load("{module}", "SHOUT"),),
    )]

def nonsense():
    return ["SHOUT"]
"""
SHOUT = """You are the SHOUT operator.
--- user ---
<context>
{context}
</context>
<instruction>
{instruction}
</instruction>
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201
    """Installs a distribution the way an installer lays it out: a package with its prompts, and a dist-info."""

    def installed(distribution: str, target: str = "operators", name: str = "SHOUT") -> None:
        module = distribution.replace("-", "_")
        package, info = tmp_path / module, tmp_path / f"{module}-1.0.dist-info"
        (package / "prompts").mkdir(parents=True)
        info.mkdir()
        (package / "__init__.py").write_text(PLUGIN.format(name=name, module=module))
        (package / "prompts" / "SHOUT.md").write_text(SHOUT)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[flowwright.operators]\nmine = {module}:{target}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    monkeypatch.syspath_prepend(tmp_path)
    return installed


def test_the_builtin_operators_are_all_there_in_catalogue_order() -> None:
    registry = Registry.load()
    assert list(registry) == NAMES
    assert registry.broken == ()
    assert registry.source("DEFAULT") == "flowwright"


def test_an_installed_distribution_brings_operators_that_work(install) -> None:  # noqa: ANN001
    install("loud-operators")
    registry = Registry.load()
    assert registry.source("SHOUT") == "loud-operators"
    operator = registry["SHOUT"].bind("shout", {"text@1": "hello"}, model=replies("hello"))
    assert operator.invoke({}).content == "HELLO"


@pytest.mark.parametrize("name", ["SHOUT", "DEFAULT"])
def test_two_operators_of_one_name_are_refused_with_both_sources(install, name: str) -> None:  # noqa: ANN001
    install("first-dist", name=name)
    if name == "SHOUT":
        install("second-dist", name=name)
    with pytest.raises(UsageError, match=f"two operators are called {name}: from") as refusal:
        Registry.load()
    sources = {"SHOUT": ("first-dist", "second-dist"), "DEFAULT": ("flowwright", "first-dist")}[name]
    assert all(source in str(refusal.value) for source in sources)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("absent", "AttributeError: "),
        ("nonsense", "did not return a list of OperatorTemplate"),
        ("__name__", "TypeError: "),
    ],
)
def test_a_broken_plugin_is_on_record_and_takes_nothing_down(install, target: str, reason: str) -> None:  # noqa: ANN001
    install("broken-dist", target=target)
    install("loud-operators")
    registry = Registry.load()
    (broken,) = registry.broken
    assert (broken.name, broken.source) == ("mine", "broken-dist")
    assert reason in broken.reason
    assert "SHOUT" in registry
    assert set(NAMES) <= set(registry)
    assert registry.allow(["SHOUT"]).broken == registry.broken


def test_an_unknown_name_is_a_usage_error_with_the_nearest_names() -> None:
    registry = Registry.load()
    with pytest.raises(UsageError, match=r"no operator is called 'GENERATE_ANSWERS'\. Did you mean GENERATE_ANSWER\?"):
        registry["GENERATE_ANSWERS"]
    with pytest.raises(UnknownOperator, match=r"'\?\?\?'\. There are DECOMPOSE_PROBLEM"):
        registry["???"]
    assert registry.nearest("generate answer")[0] == "GENERATE_ANSWER"
    assert registry.nearest("review-solution")[0] == "REVIEW_SOLUTION"
    assert registry.get("???") is None
    assert "???" not in registry


def test_an_allow_list_keeps_its_order_and_refuses_strangers() -> None:
    registry = Registry.load()
    assert list(registry.allow(["TEST_CODE", "DEFAULT", "TEST_CODE"])) == ["TEST_CODE", "DEFAULT"]
    with pytest.raises(UsageError, match="REVIEW"):
        registry.allow(["REVIEW"])


def test_a_registry_is_extended_without_changing_the_old_one() -> None:
    registry = Registry.load()
    mine = OperatorTemplate("MINE", "p", "a", "text", build=GENERATE_ANSWER.build)
    assert registry.extended([mine])["MINE"] is mine
    assert "MINE" not in registry
    with pytest.raises(UsageError, match="from flowwright and the caller"):
        registry.extended([GENERATE_ANSWER])


def test_the_catalogue_tells_a_designer_purpose_inputs_result_and_cost_in_one_line_each() -> None:
    lines = Registry.load().catalogue().splitlines()
    assert len(lines) == len(NAMES)
    for operator, line in zip(builtin_operators(), lines, strict=True):
        assert line.startswith(
            f"- {operator.name}: {operator.purpose} Takes {operator.accepts}. Gives: {operator.output}."
        )
    assert all(name in lines[index] for index, name in enumerate(NAMES))
    costs = {line.split(":")[0][2:]: line.partition("Cost: ")[2] for line in lines}
    assert costs["TEST_CODE"] == "no model call."
    assert costs["GENERATE_ANSWER"] == "1 model call."
    assert costs["PYTHON"] == "1 tool call."
    assert costs["SELF_CONSISTENCY_ENSEMBLE"] == "up to 6 model calls."


def test_the_entry_point_of_the_package_names_the_builtin_operators() -> None:
    from importlib.metadata import entry_points

    (point,) = [point for point in entry_points(group="flowwright.operators") if point.name == "builtin"]
    assert [operator.name for operator in point.load()()] == NAMES
