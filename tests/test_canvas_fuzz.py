"""A model check by chance: whatever is said in either format, nothing but a typed refusal is raised, ids stay unique,
and from every board that is reached some action succeeds (the published system got stuck in 62 % of such episodes)."""

from __future__ import annotations

from collections import Counter

import pytest
from canvas_cases import OPERATORS, PROMPT, Director, Session, published
from flowwright.graphs.canvas.action import Add, Cancel, Delete
from flowwright.graphs.canvas.board import Board, replayed
from flowwright.graphs.canvas.edit import apply
from flowwright.graphs.faults import Fault, Refused

ROUNDS = 20


def episode(seed: int, *, in_tags: bool) -> Counter[str]:
    """Twenty rounds of chance. Counts what became of them."""
    director, session, seen = Director(seed), published() if in_tags else Session(), Counter[str]()
    for _ in range(ROUNDS):
        director.ids = session.ids
        before = session.board
        said = director.reply() if in_tags else director.json_action()
        if session.board.pending is not None and director.random.random() < 0.5:
            said = PROMPT
        try:
            session.say(said)
        except Refused as refused:
            well_told(refused.faults)
            seen.update(fault["code"] for fault in refused.faults)
        except ValueError:
            assert not in_tags, "only a JSON action is refused by its reader"
            seen["unreadable"] += 1
        else:
            seen["accepted"] += 1
            lives(session, before)
    return seen


def well_told(faults: list[Fault]) -> None:
    """Every fault is the policy's, on one line, and says what would do."""
    for fault in faults:
        assert fault["kind"] == "policy"
        assert "\n" not in fault["message"]
        assert fault["expected"]


def lives(session: Session, before: Board) -> None:
    """The laws of a board that was reached."""
    board, ids = session.board, session.ids
    assert len(set(ids)) == len(ids)
    assert board.canvas.next_number >= before.canvas.next_number
    assert all(int(id.removeprefix("node_")) < board.canvas.next_number for id in ids)
    old = {node.id for node in replayed(board.edits).walk()} | {node.id for node in before.canvas.walk()}
    assert all(int(id.removeprefix("node_")) >= before.canvas.next_number for id in {*ids} - old)
    way_out = Cancel() if board.pending else Delete(target=ids[0]) if ids else Add(operator="Custom", prompt=PROMPT)
    assert apply(board, way_out, operators=OPERATORS, limits=session.limits).board != board


@pytest.mark.parametrize("in_tags", [True, False], ids=["tags", "json"])
def test_a_few_hundred_episodes_raise_nothing_and_never_get_stuck(in_tags: bool) -> None:
    seen = sum((episode(seed, in_tags=in_tags) for seed in range(150)), Counter[str]())
    assert seen["accepted"] > 150
    assert len(seen) > 12


@pytest.mark.fuzz
@pytest.mark.parametrize("in_tags", [True, False], ids=["tags", "json"])
def test_fifty_thousand_actions_in_each_format_raise_nothing_and_never_get_stuck(in_tags: bool) -> None:
    episodes = 50_000 // ROUNDS
    seen = sum((episode(seed, in_tags=in_tags) for seed in range(1_000, 1_000 + episodes)), Counter[str]())
    assert seen["accepted"] > episodes
