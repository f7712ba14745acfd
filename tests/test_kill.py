"""A run that is killed again and again ends like one that never was, and nothing that was recorded is done twice: no
model is asked again, no tool is called again."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Final

import pytest
from kill_script import SCENARIOS
from kill_trial import Trial
from kill_witness import HERE, Witness, differences, final_state, journaled, serving

RANDOM_KILLS: Final = 100
pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    with serving(tmp_path_factory.mktemp("witness")) as found:
        yield found


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    context = multiprocessing.get_context("forkserver")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))  # the server that forks does not see this process's search path
        context.set_forkserver_preload(["kill_child"])
        yield context


@dataclass
class Unbroken:
    """A run that nobody killed."""

    trial: Trial
    state: dict[str, Any]
    crossed: int
    """Persistence boundaries."""
    seconds: float

    def again(self, path: Path) -> Trial:
        """A run like it, to be killed."""
        return Trial(self.trial.system, self.trial.witness, self.trial.processes, path)

    def check(self, trial: Trial) -> None:
        """Asserts that a run ended as this one did, and never asked for anything else."""
        assert differences(final_state(trial.system, trial.path), self.state) == []
        assert trial.questions == self.trial.questions


@pytest.fixture(scope="module", params=SCENARIOS)
def unbroken(
    request: pytest.FixtureRequest,
    witness: Witness,
    processes: ForkServerContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")
    first, second = (Trial(request.param, witness, processes, folder / f"{one}.db") for one in range(2))
    first.unbroken()  # the first one waits for the imports of all
    crossed, seconds = second.unbroken()
    found = Unbroken(second, final_state(second.system, second.path), crossed, seconds)
    found.check(first)
    return found


def test_the_unbroken_run_is_the_scenario(unbroken: Unbroken) -> None:
    scenario, state = SCENARIOS[unbroken.trial.system], unbroken.state
    assert tuple(turn["outcome"] for turn in state["turns"]) == scenario.outcomes
    assert tuple(one["operator"] for one in state["operations"] if one["status"] != "ok") == scenario.failing
    assert (state["status"], state["answer"], state["usage"]["calls"]) == ("finished", "42", scenario.calls)
    assert len(set(unbroken.trial.asked)) == len(unbroken.trial.asked) == scenario.calls + scenario.looked_up
    lost = set(unbroken.trial.asked) - journaled(unbroken.trial.path)
    assert {key.partition("(")[0] for key in lost} == {name.lower() for name in scenario.failing}
    assert sum(key.endswith(")") for key in unbroken.trial.asked) == scenario.looked_up
    assert unbroken.crossed > 50


def test_killed_at_every_persistence_boundary(unbroken: Unbroken, tmp_path: Path) -> None:
    kills = 0
    for number in range(1, unbroken.crossed + 1):
        trial = unbroken.again(tmp_path / f"{number}.db")
        if not trial.live((number, "before" if number % 2 else "after")):
            assert trial.live()
        kills += trial.kills
        unbroken.check(trial)
    assert kills >= unbroken.crossed - 5


def test_killed_at_random_moments(unbroken: Unbroken, tmp_path: Path) -> None:
    rng = random.Random(5)
    kills = number = 0
    while kills < RANDOM_KILLS:
        number += 1
        trial = unbroken.again(tmp_path / f"{number}.db")
        while not trial.live(seconds=rng.uniform(0.05, unbroken.seconds)):
            assert trial.kills < 50
        kills += trial.kills
        unbroken.check(trial)
