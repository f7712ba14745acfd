"""A selection reads what it names; what it cannot mean is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.selection import RewardRange, Selection
from flowwright.errors import UsageError
from stores import KINDS, Saver, all_runs, close, opened, where
from written_runs import Written, chain, write


@pytest.fixture(params=KINDS)
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Saver]:
    made = opened(request.param, tmp_path)
    yield made
    close(made)


def test_a_selection_reads_what_it_names_and_counts_the_rest(saver: Saver) -> None:
    write(saver, "a", Written("r1", chain("r1", 2), task="t", system="dyflow"))
    write(saver, "b", Written("r2", chain("r2", 2), task="u", status="failed"))
    write(saver, "c", Written("r3", chain("r3", 2), fail_at=1))
    for given_, threads in [
        ({"system": "dyflow"}, "a"), ({"status": "failed,running"}, "bc"), ({"task": "t, u"}, "ab"), ({"thread": "c"}, "c"),
        ({"since": "2020-01-01"}, "abc"), ({"until": "2020-01-01"}, ""), ({"system": "agentflow"}, ""),
    ]:  # fmt: skip
        ledger = Ledger()
        found = all_runs(saver, Selection.parsed(given_), ledger)
        assert "".join(one.thread_id for one in found) == threads
        assert ledger.unselected == (0 if "thread" in given_ else 3 - len(threads))


def test_rewards_are_read_from_beside_the_last_checkpoint_and_select(saver: Saver) -> None:
    graph = write(saver, "a", Written("r", chain("r", 2)))
    write(saver, "b", Written("s", chain("s", 2)))
    last = graph.get_state(where("a")).config
    for number, value in enumerate([0.25, 0.75]):
        said = {
            "name": "exact",
            "version": "1",
            "value": value,
            "parts": {},
            "by": "t",
            "at": f"2026-11-20T0{number}:00",
        }
        saver.put_writes(last, [("flowwright_reward", said)], task_id=f"00000000-0000-0000-0000-{number:012}")
    run, other = all_runs(saver)
    assert (run.rewards, other.rewards) == ({"exact": 0.75}, {})
    for text, count in [
        ("exact>=0.75", 1),
        ("exact", 1),
        ("exact<=0.5", 0),
        ("0.5<=exact<=1", 1),
        ("exact=0.75", 1),
        ("f1", 0),
    ]:
        ledger = Ledger()
        assert len(all_runs(saver, Selection.parsed({"reward": text}), ledger)) == count
        assert (ledger.trajectories, ledger.unselected) == (count, 2 - count)


def test_filters_as_a_person_writes_them() -> None:
    parsed = Selection.parsed(
        {"system": "dyflow, agentflow", "role": "designer", "reward": "exact>=0.5", "version": ["v,1"]}
    )
    assert parsed == Selection(
        systems=("dyflow", "agentflow"), roles=("designer",), versions=("v,1",), reward=RewardRange("exact", least=0.5)
    )
    assert parsed.as_json() == {
        "systems": ["dyflow", "agentflow"], "roles": ["designer"], "versions": ["v,1"],
        "reward": {"name": "exact", "least": 0.5, "most": None},
    }  # fmt: skip
    assert Selection.parsed({}) == Selection()


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"sytem": "dyflow"}, "there is no filter 'sytem'. Did you mean system? There are system, role,"),
        ({"colour": "red"}, "there is no filter 'colour'. There are system, role,"),
        ({"status": "finishd"}, "there is no status 'finishd'. Did you mean finished?"),
        ({"since": "yesterday"}, "since 'yesterday' is no time. Write it as 2026-11-20"),
        ({"since": "2026-11-20,2026-11-21"}, "the filter 'since' takes one value"),
        ({"role": ""}, "the filter 'role' has no value"),
        ({"role": []}, "the filter 'role' has no value"),
        ({"reward": "exact>0.5"}, "'exact>0.5' is no bound of a reward"),
        ({"reward": "exact>=good"}, "'exact>=good' is no bound of a reward"),
        ({"reward": "0.5<=exact"}, "'0.5<=exact' is no bound of a reward"),
    ],
)
def test_a_filter_that_cannot_be_used_is_one_clear_line(given_: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Selection.parsed(given_)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_day_is_whole_and_a_time_without_offset_is_utc() -> None:
    def admits(selection: Selection, updated: str | None) -> bool:
        return selection.may_admit("dyflow", "finished", None, "a", updated)

    assert admits(Selection(since="2026-11-20", until="2026-11-20"), "2026-11-20T23:59:59.5+00:00")
    assert not admits(Selection(until="2026-11-20"), "2026-11-21T00:00:00+00:00")
    assert admits(Selection(since="2026-11-20T10:00"), "2026-11-20T11:30:00+01:00")
    assert not admits(Selection(since="2026-11-20T10:00"), "2026-11-20T10:30:00+01:00")
    assert admits(Selection(), None)
    assert not admits(Selection(since="2026-11-20"), None)
