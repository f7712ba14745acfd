"""Seen from the server that is asked: nothing before a fork is asked for again, samples are asked for under different
seeds, and a process that dies while it forks leaves nothing that the same request does not go on with."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Final

import fork_child
import kill_child
import pytest
from flowwright import open_checkpointer
from flowwright.checkpoints.runner import thread_config
from flowwright.checkpoints.threads import list_threads
from flowwright.checkpoints.trajectories.calls import calls_of
from kill_child import Boundary
from kill_script import SCENARIOS
from kill_witness import HERE, Witness, serving

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]
TURN: Final = 2
KILLS: Final = 16


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    with serving(tmp_path_factory.mktemp("witness")) as found:
        yield found


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    context = multiprocessing.get_context("forkserver")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        context.set_forkserver_preload(["kill_child", "fork_child"])
        yield context


@pytest.fixture(scope="module")
def source(witness: Witness, processes: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on thread `t`."""
    path = tmp_path_factory.mktemp("source") / "runs.db"
    child = processes.Process(target=kill_child.run, args=("dyflow", str(path), witness.url("dyflow")))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert len(witness.fresh()) == SCENARIOS["dyflow"].calls
    return path


def forked(
    path: Path, witness: Witness, processes: ForkServerContext, boundary: Boundary | None = None
) -> tuple[int, Any]:
    """Exit code of a process that forks, and what it tells at its end."""
    receiver, sender = processes.Pipe(duplex=False)
    given = ("dyflow", str(path), witness.url("dyflow"), TURN, boundary, sender)
    child = processes.Process(target=fork_child.fork, args=given)
    child.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        found = None
    child.join()
    return child.exitcode, found


def keys_of(path: Path, threads: list[str]) -> dict[str, list[str]]:
    with closing(open_checkpointer(f"sqlite:///{path}")) as saver:
        return {one: [call["key"] for call in calls_of(saver, thread_config(one))] for one in threads}


def test_nothing_before_the_fork_is_asked_for_again_and_every_sample_has_a_seed(
    source: Path, witness: Witness, processes: ForkServerContext, tmp_path: Path
) -> None:
    path = tmp_path / "runs.db"
    shutil.copy(source, path)
    witness.fresh()
    code, (forks, answers, _) = forked(path, witness, processes)
    assert (code, answers) == (0, ["42"] * fork_child.SAMPLES)
    asked = witness.fresh()
    known = keys_of(path, ["t", *(name for name, _ in forks)])
    prefix = [key for key in known["t"] if int(key.split("/")[1]) < TURN]
    assert prefix
    for name, _ in forks:
        assert known[name][: len(prefix)] == prefix, "it shares them"
    own = [key for name, _ in forks for key in known[name][len(prefix) :]]
    assert sorted(asked) == sorted(own), "asked once each, and nothing else was"
    assert not set(asked) & set(known["t"])
    assert len({seed for _, seed in forks}) == fork_child.SAMPLES
    bodies = [json.loads(line) for line in witness.log.read_text().splitlines()]
    seeds = [one["seed"] for one in bodies if one["event"] == "received" and one["key"] in set(asked)]
    assert len(set(seeds)) == len(seeds)


def test_killed_while_forking_the_same_request_goes_on(
    source: Path, witness: Witness, processes: ForkServerContext, tmp_path: Path
) -> None:
    clean = tmp_path / "clean.db"
    shutil.copy(source, clean)
    _, (forks, _, crossed) = forked(clean, witness, processes)
    rng, kills = random.Random(3), 0
    for number in sorted(rng.sample(range(1, crossed + 1), KILLS)):
        path = tmp_path / f"{number}.db"
        shutil.copy(source, path)
        witness.fresh()
        first, _ = forked(path, witness, processes, (number, rng.choice(["before", "after"])))
        kills += first == -9
        if all_ended(path, [name for name, _ in forks]):
            continue  # it died when nothing was left to do, or (by another order of its boundaries) did not die
        second, found = forked(path, witness, processes)
        asked = witness.fresh()
        assert second == 0
        assert found[0] == forks, "the same names and seeds as if nobody had killed it"
        with closing(open_checkpointer(f"sqlite:///{path}")) as saver:
            assert {one.thread_id for one in list_threads(saver)} == {"t", *(name for name, _ in forks)}
        known = keys_of(path, [name for name, _ in forks])
        own = {key for keys in known.values() for key in keys if not key.startswith(known_run(path))}
        assert set(asked) == own
        again = len(asked) - len(set(asked))
        assert again <= fork_child.SAMPLES * SCENARIOS["dyflow"].at_once, "only what was in flight"
    assert kills >= KILLS - 3


def all_ended(path: Path, threads: list[str]) -> bool:
    with closing(open_checkpointer(f"sqlite:///{path}")) as saver:
        held = [saver.get_tuple(thread_config(one)) for one in threads]
    return all(one is not None and one.checkpoint["channel_values"]["status"] != "running" for one in held)


def known_run(path: Path) -> str:
    """Id of the run that was forked."""
    (key, *_) = keys_of(path, ["t"])["t"]
    return key.split("/")[0]
