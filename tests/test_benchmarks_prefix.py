"""The prefix benchmark counts what a model server would have to read again, and its scripted runs go as it says."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
prompts = st.lists(st.text(alphabet="ab", max_size=12), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def prefixes() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module("prefixes")


@pytest.fixture(scope="module")
def script(prefixes: ModuleType) -> ModuleType:
    return import_module("scripted_replies")


@given(texts=prompts)
def test_unique_characters_are_the_nodes_of_the_prefix_tree(prefixes: ModuleType, texts: list[str]) -> None:
    nodes = {text[:length] for text in texts for length in range(1, len(text) + 1)}
    assert prefixes.unique(texts) == len(nodes)


@given(texts=prompts)
def test_what_is_served_is_the_longest_prefix_seen_before(prefixes: ModuleType, texts: list[str]) -> None:
    served = sum(
        max((prefixes.common(text, earlier) for earlier in texts[:place]), default=0)
        for place, text in enumerate(texts)
    )
    assert prefixes.unique(texts) == sum(map(len, texts)) - served


def test_a_prompt_that_only_grows_is_kept_whole(prefixes: ModuleType) -> None:
    assert prefixes.kept(["abc", "abcd", "abcde"]) == 1.0
    assert prefixes.kept(["abcd", "abxx"]) == 0.5
    assert prefixes.sharing(["abc", "abcd", "abcde"])["over_unique"] == pytest.approx(12 / 5)


@pytest.mark.parametrize("turns", [None, 5])
@pytest.mark.parametrize("system", ["dyflow", "agentflow", "flowsteer"])
async def test_a_scripted_run_takes_its_course(
    prefixes: ModuleType, script: ModuleType, system: str, turns: int | None
) -> None:
    course = script.course(system, turns)
    run = await prefixes.recorded(system, "scripted", {"question": script.question(3, course.turns)}, seed=1)
    assert (len(run.prompts), run.calls) == (course.turns, course.calls)
    assert (run.status, run.answer) == ("finished", script.answer(3))


@pytest.mark.parametrize("system", ["dyflow", "agentflow", "flowsteer"])
async def test_rules_and_operators_come_before_the_question(
    prefixes: ModuleType, script: ModuleType, system: str
) -> None:
    first = [
        (await prefixes.recorded(system, "scripted", {"question": script.question(number, 3)}, seed=1)).prompts[0]
        for number in (1, 2)
    ]
    assert prefixes.common_to_all(first) > 0.7 * len(first[0])
