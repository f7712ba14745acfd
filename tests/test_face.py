"""The face of the package: its public names, their signatures, and what importing it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import flowwright
import pytest

BUILD_GRAPH = (
    "(system: 'str | System', *, policies: 'Policies', preset: 'str' = 'default', "
    "operators: 'Registry | None' = None, checkpointer: 'BaseCheckpointSaver[Any] | None' = None, "
    "journal: 'Journal | None' = None) -> 'Graph'"
)


def test_the_public_names_are_these() -> None:
    assert flowwright.__all__ == [
        "Context", "FlowwrightError", "Policies", "Selection", "UsageError", "as_tool", "build_graph", "export",
        "fork_runs", "load_trajectories", "open_checkpointer", "recorded",
    ]  # fmt: skip
    assert all(getattr(flowwright, name) for name in flowwright.__all__)
    assert set(dir(flowwright)) == set(flowwright.__all__)
    with pytest.raises(AttributeError):
        flowwright.nothing_of_that_name  # noqa: B018


def test_build_graph_keeps_its_signature() -> None:
    assert str(inspect.signature(flowwright.build_graph)) == BUILD_GRAPH
    assert list(inspect.signature(flowwright.Policies).parameters) == [
        "designer", "executor", "verifier", "generator", "summarizer", "prices", "timeout"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("load_trajectories", ["saver", "selection", "ledger"]),
        ("fork_runs", ["graph", "thread_id", "at", "samples", "seed", "edit", "whole"]),
        ("recorded", ["model", "sink"]),
    ],
)
def test_the_ways_from_checkpoints_to_data_keep_their_signatures(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(flowwright, name)).parameters) == parameters


HEAVY = (
    "torch",
    "transformers",
    "trl",
    "openai",
    "langgraph",
    "langchain_core",
    "pydantic",
    "rich",
    "aiohttp",
    "numpy",
)


@pytest.mark.parametrize("command", ["import flowwright", "import flowwright.cli", "import flowwright.errors"])
def test_importing_the_face_loads_nothing_heavy(command: str) -> None:
    code = f"{command}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_running_a_graph_needs_neither_torch_nor_a_provider() -> None:
    code = (
        "import flowwright as fw, sys\n"
        "graph = fw.build_graph('dyflow', policies=fw.Policies(designer='offline', executor='offline'))\n"
        "graph.invoke({'task': {'question': 'What is 1+1?'}})\n"
        "print([name for name in ('torch', 'transformers', 'openai', 'langchain_openai') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_package_and_its_data_is_in_the_wheel() -> None:
    root = Path(__file__).parent.parent
    declared = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    apart = {"tests", "benchmarks", "docs", "notebooks", "build"}
    found = {
        ".".join(("flowwright", *path.parent.relative_to(root).parts))
        for path in root.rglob("__init__.py")
        if not path.relative_to(root).parts[0].startswith(".") and path.relative_to(root).parts[0] not in apart
    }
    assert found == set(declared["packages"])
    prompts = {f"flowwright.{path.parent.parent.name}" for path in root.glob("*/prompts/*.md")}
    assert all("prompts/*.md" in declared["package-data"][name] for name in prompts)
