"""Stored runs as training data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from rich.markup import escape
from rich.table import Table

from ..checkpoints.export.account import Account, meaning_of
from ..checkpoints.export.export import export
from ..checkpoints.export.exported import Exported
from ..checkpoints.open import open_checkpointer
from ..checkpoints.trajectories.selection import Selection
from ..console import error_console, output_console, print_json, progress
from ..errors import UsageError


def export_command(options: Mapping[str, Any]) -> None:
    """`flowwright export`."""
    selection = Selection.parsed(filters_from(options["filters"]))
    saver = open_checkpointer(options["db"], create=False, busy_timeout=options["db_timeout"])
    with closing(saver), progress(error_console()) as bar:
        shown = bar.add_task("export", total=None, news="")

        def tell(account: Account) -> None:
            bar.update(shown, completed=account.runs, news=f"runs, {account.made} rows made")

        names = ("format", "preset", "reward", "success_at", "negatives", "split", "seed", "overwrite")
        asked = {name: options[name] for name in names}
        result = export(saver, options["out"], selection=selection, listener=tell, **asked)
    if options["as_json"]:
        print_json([result.as_json()])
    else:
        show(result)


def filters_from(given: Iterable[str]) -> dict[str, list[str]]:
    """`--filter KEY=VALUE`, values of one key together. A bound of a reward may stand alone: `--filter "exact>=0.5"` is
    `--filter "reward=exact>=0.5"`."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if "<" in name or ">" in name:
            name, equals, value = "reward", "=", text
        if not equals:
            raise UsageError(f"{text!r} is no filter", fix="Write KEY=VALUE, for instance system=dyflow")
        found.setdefault(name.strip(), []).extend(one.strip() for one in value.split(","))
    return found


def show(result: Exported) -> None:
    """Files and ledger, for a person."""
    console = output_console()
    table = Table(title="ledger", title_justify="left")
    table.add_column("count")
    table.add_column("number", justify="right")
    table.add_column("meaning", overflow="fold", style="dim")
    for name, number, meaning in (*result.ledger.lines(), *result.account.lines()):
        if not name.startswith("lost row"):  # the rows' own lines say so again
            table.add_row(escape(name), str(number), escape(meaning_of(name, meaning)))
    console.print(table)
    for split, path in result.paths.items():
        console.print(f"[green]{result.rows[split]}[/] rows in {escape(str(path))}")
    for split in result.rows.keys() - result.paths.keys():
        console.print(f"[yellow]no task fell into the split {escape(split)}[/]")
    console.print(f"[dim]{escape(str(result.card))}, {escape(str(result.ledger_path))}[/]")
