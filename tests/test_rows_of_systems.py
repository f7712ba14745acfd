"""Rows of real runs of the three systems, with scripted replies and a tokenizer whose sampled tokens are never those of
the same text rendered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.rows import tree_rows
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.checkpoints.trajectories.trajectory import TaskTree
from hypothesis import given
from hypothesis import strategies as st
from row_laws import check


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        yield import_module("rows")


def trees_of(benchmark: ModuleType, system: str, turns: int, *, bridged: bool) -> list[TaskTree]:
    saver = StrictMemorySaver()
    asyncio.run(benchmark.made(saver, system, turns, 2, benchmark.TokenChat(bridges=bridged)))
    return [*load_trajectories(saver)]


@pytest.mark.parametrize("bridged", [True, False])
@pytest.mark.parametrize("system", ["dyflow", "agentflow", "flowsteer"])
def test_every_token_of_a_real_run_is_in_its_rows_as_it_was(benchmark: ModuleType, system: str, bridged: bool) -> None:
    trees = trees_of(benchmark, system, 4, bridged=bridged)
    assert len(trees) == 2
    for tree in trees:
        (run,) = tree.trajectories
        ledger = Ledger()
        rows = list(tree_rows(tree, ledger=ledger))
        check(rows, {one["id"]: run.spoken(one["id"]) for one in run.calls}, [*run.calls])
        assert ledger.read == ledger.trained == run.usage["calls"]
        assert ledger.unaccounted == 0


@pytest.mark.parametrize("turns", [2, 6])
def test_a_linear_flowsteer_run_is_one_row_where_tokens_are_bridged_and_one_a_turn_where_not(
    benchmark: ModuleType, turns: int
) -> None:
    designer = Selection(roles=("designer",))
    for tree in trees_of(benchmark, "flowsteer", turns, bridged=True):
        (row,) = tree_rows(tree, designer)
        assert len(row.spans) == len(tree.trajectories[0].turns) == turns
    for tree in trees_of(benchmark, "flowsteer", turns, bridged=False):
        assert [row.start for row in tree_rows(tree, designer)] == ["first", *["re_rendered"] * (turns - 1)]


@given(found=st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=8))
def test_tokens_of_the_tree_are_the_nodes_of_the_prefix_tree(benchmark: ModuleType, found: list[list[int]]) -> None:
    assert benchmark.unique(found) == len({tuple(one[:length]) for one in found for length in range(1, len(one) + 1)})
