"""The three systems side by side on the same generated tasks: what each designed, what it came to, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from .checkpoints.runner import RunResult
from .checkpoints.session import Session
from .checkpoints.trace import trace_tree
from .commands.runs import notice, resumable, run_with_bar, session_for
from .console import families_table, output_console, results_table
from .graphs.build import SYSTEMS
from .training.tasks import FAMILIES
from .training.tasks.task_file import TaskRow

Results = dict[str, list[RunResult]]
Marks = dict[str, list[bool | None]]


def demo_command(options: Mapping[str, Any]) -> None:
    """`flowwright demo`."""
    prefix = options["thread"] or f"demo-{token_hex(2)}"
    rows = {
        name: [TaskRow(task.id, task.question) for task in family.generate(options["seed"], options["per_family"])]
        for name, family in FAMILIES.items()
    }
    results: Results = {}
    marks: Marks = {}
    with resumable(f"demo --thread {prefix}", options):
        for index, system in enumerate(SYSTEMS):
            with session_for({**options, "system": system}, create=True) as session:
                if index == 0:
                    notice(session)
                every = [row for family in rows.values() for row in family]
                results[system], marks[system] = run_with_bar(session, every, options, f"{prefix}-{system}")
                if not options["as_json"]:
                    show_busiest(session, results[system])
    if not options["as_json"]:
        tell_results(results, marks, list(rows), options)


def show_busiest(session: Session, results: list[RunResult]) -> None:
    """The run with the most operations, as a tree."""
    busiest = max(results, key=lambda one: one.usage["operations"])
    output_console().print(trace_tree(session.state(busiest.thread_id), busiest.thread_id, width=120))


def tell_results(results: Results, marks: Marks, families: list[str], options: Mapping[str, Any]) -> None:
    """The tables, and what to try next."""
    console = output_console()
    per_family = {
        system: {
            family: found[index * options["per_family"] : (index + 1) * options["per_family"]]
            for index, family in enumerate(families)
        }
        for system, found in marks.items()
    }
    console.print(families_table("Right by an exact checker", per_family))
    console.print(results_table("Per system, costs as means a run", results, marks, of="system"))
    one = next(iter(results.values()))[0].thread_id
    console.print(f"Look at any run: flowwright runs --db {options['db']}; flowwright show {one} --db {options['db']}")
