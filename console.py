"""What the command shows: results on standard output, everything else on standard error, so that pipes stay clean."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from .checkpoints.runner import RunResult

OFFLINE_NOTICE = (
    "running offline: rule-based policies that know a few task families, no language model. "
    "Name a model with --model, for instance --model vllm:Qwen/Qwen3-8B or --model openai:gpt-4.1-mini."
)
_EVENT_MARKS = {"ok": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[yellow]–[/]"}
_STATUS_STYLES = {"finished": "green", "best_effort": "yellow", "failed": "red"}


PIPED_WIDTH = 160
"""Columns where nobody's terminal says how many there are."""


def output_console() -> Console:
    """Where results go."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def error_console() -> Console:
    """Where progress, notices and errors go."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def progress(console: Console) -> Progress:
    """A bar for many tasks."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[news]}[/]"), console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip


def tell(console: Console, event: dict[str, Any]) -> None:
    """One line for what just happened in a run."""
    if event["event"] == "start" and event["role"] == "executor":
        console.print(f"    [dim]… {event['operator']} ({event['operation']})[/]")
    if event["event"] != "end":
        return
    if event["role"] == "designer" and "outcome" in event:
        repair = f" (repair {event['attempt']})" if event["attempt"] else ""
        console.print(f"[bold]turn {event['turn']}[/]{repair} {event['outcome']}: {escape(event['description'])}")
        for fault in event["faults"]:
            console.print(f"    [red]{fault['kind']}/{fault['code']}[/] {escape(fault['message'])}")
    for operation in event.get("operations", []):
        found = "; ".join(_finding(one) for one in event.get("memory", []))
        why = f" [red]{escape(operation['fault']['message'])}[/]" if operation["fault"] else ""
        console.print(f"    {_EVENT_MARKS[operation['status']]} {operation['operator']} {found}{why}")


def _finding(entry: dict[str, Any]) -> str:
    known = [f"{name} {entry[name]}" for name in ("verdict", "passed") if entry[name] is not None]
    return f"→ {entry['key']}" + (f" [cyan]{', '.join(known)}[/]" if known else "")


def print_json(results: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for one in results:
        sys.stdout.write(json.dumps(one, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_result(result: RunResult) -> None:
    """The answer of one run, for a person."""
    console = output_console()
    usage = result.usage
    for id, asked in result.waiting.items():
        console.print(
            f"[yellow]waiting[/] {asked['tool']} {escape(json.dumps(asked['arguments'], ensure_ascii=False))}"
        )
        console.print(f"[dim]flowwright resume {result.thread_id} --approve {id} (or --deny {id})[/]")
    style = _STATUS_STYLES.get(result.status, "cyan")
    console.print(f"[{style}]{result.status}[/]  {escape(result.answer or '(no answer)')}")
    console.print(
        f"[dim]{result.thread_id}: {usage['turns']} turns, {usage['operations']} operations, {usage['calls']} calls, "
        f"{usage['input_tokens'] + usage['output_tokens']} tokens, {len(result.faults)} faults[/]"
    )


def results_table(
    title: str, groups: dict[str, list[RunResult]], correct: dict[str, list[bool | None]], *, of: str = "tasks"
) -> Table:
    """Runs by group (`of` names what a group is): how they ended, how many are right by an exact checker, how many
    claim to be finished and are wrong, and what a run costs on average."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(of, no_wrap=True)
    for column in ("right", "finished", "effort", "failed", "false"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("turns", "ops", "calls", "tokens", "sec"):
        table.add_column(column, justify="right", style="dim", no_wrap=True)
    for name, results in groups.items():
        table.add_row(name, *_counts(results, correct[name]), *_means(results))
    return table


def families_table(title: str, marks: dict[str, dict[str, list[bool | None]]]) -> Table:
    """Right answers by system and family of tasks."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("system", no_wrap=True)
    for family in next(iter(marks.values())):
        table.add_column(family, justify="right", no_wrap=True)
    for system, families in marks.items():
        table.add_row(system, *(f"{sum(one is True for one in found)}/{len(found)}" for found in families.values()))
    return table


def _counts(results: list[RunResult], correct: list[bool | None]) -> list[str]:
    statuses = [sum(one.status == status for one in results) for status in _STATUS_STYLES]
    right = f"{sum(mark is True for mark in correct)}/{sum(mark is not None for mark in correct)}"
    claims = sum(one.status == "finished" and mark is False for one, mark in zip(results, correct, strict=True))
    return [right, *(str(count) for count in (*statuses, claims))]


def _means(results: list[RunResult]) -> list[str]:
    def mean(*names: str) -> float:
        return sum(one.usage[name] for one in results for name in names) / len(results)  # type: ignore[literal-required]

    counts = [mean("turns"), mean("operations"), mean("calls")]
    tokens = mean("input_tokens", "output_tokens")
    return [*(f"{count:.1f}" for count in counts), f"{tokens:.0f}", f"{mean('seconds'):.2f}"]
