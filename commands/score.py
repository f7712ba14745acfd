"""Stored runs are scored under a reward; nothing of them is run again."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from rich.table import Table

from ..checkpoints.open import open_checkpointer
from ..checkpoints.scoring import Scored, score_runs
from ..checkpoints.trajectories.selection import Selection
from ..console import error_console, output_console, print_json
from ..errors import UsageError
from ..training.gold import read_gold
from ..training.rewards import Sources, reward_named
from .runs import Options


def score_command(options: Options) -> None:
    """`flowwright score`."""
    kind = reward_named(options["reward"])
    selection = Selection.parsed(dict(one.partition("=")[::2] for one in options["filters"]))
    gold = read_gold(options["tasks"]) if options["tasks"] else {}
    found: dict[str, list[Scored]] = {}
    with closing(open_checkpointer(options["db"], create=False, busy_timeout=options["db_timeout"])) as saver:
        scorer = kind.scorer(Sources(saver, gold))
        version = kind.version_with(gold)
        by = "flowwright score"
        for one in score_runs(saver, scorer, name=options["reward"], version=version, selection=selection, by=by):
            found.setdefault(one.trajectory.system, []).append(one)
            if options["as_json"]:
                print_json([row(one, options["reward"], version)])
    everything = [one for group in found.values() for one in group]
    if not everything:
        raise UsageError("no run that has ended is selected", fix="`flowwright runs` lists the runs")
    untold = sum(one.value is None for one in everything)
    if untold == len(everything):
        answers = "Give answers with --tasks FILE, or choose" if kind.judges_answers and not gold else "Choose"
        fix = f"{answers} another reward or other runs"
        raise UsageError(f"reward {options['reward']!r} can tell of none of these {untold} runs", fix=fix)
    if untold:
        error_console().print(f"[yellow]{options['reward']} cannot tell of {untold} of {len(everything)} runs[/]")
    if not options["as_json"]:
        output_console().print(table(options["reward"], found))


def row(one: Scored, name: str, version: str) -> dict[str, Any]:
    """One run's reward for scripts."""
    run = one.trajectory
    return {
        "thread": run.thread_id, "checkpoint": run.checkpoint_id, "task": run.task, "system": run.system,
        "group": run.group, "reward": name, "version": version, "value": one.value, "parts": dict(one.parts),
        "stored": one.stored,
    }  # fmt: skip


def table(name: str, found: dict[str, list[Scored]]) -> Table:
    """The rewards by system."""
    shown = Table(title=name, title_justify="left")
    shown.add_column("system")
    for column in ("runs", "told", "new", "mean", "least", "most"):
        shown.add_column(column, justify="right")
    for system, group in found.items():
        values = [one.value for one in group if one.value is not None]
        counts = [len(group), len(values), sum(one.stored for one in group)]
        numbers = (
            [f"{number:.3f}" for number in (sum(values) / len(values), min(values), max(values))] if values else []
        )
        shown.add_row(system, *map(str, counts), *numbers)
    return shown
