"""The run index, built, brought up to date and searched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..checkpoints.index.build import IndexReport, build_index
from ..checkpoints.index.file import index_path
from ..checkpoints.index.search import Hit, search_index
from ..checkpoints.location import Location
from ..checkpoints.open import open_checkpointer
from ..console import error_console, output_console, print_json, progress
from ..errors import UsageError

Options = Mapping[str, Any]
_OPEN, _CLOSE = "\x02", "\x03"  # no text in an index can have them shown, see `_shown`
_STYLE: Final = "bold yellow"


def index_command(options: Options) -> int:
    """`flowwright index`: the exit code."""
    report = indexed(options, rebuild=options["rebuild"])
    if options["as_json"]:
        print_json([report.as_json()])
    else:
        error_console().print(f"[dim]{escape(report.path)}[/]")
        output_console().print(report_table(report))
    return tell_damaged(report)


def search_command(options: Options) -> None:
    """`flowwright search`."""
    if not options["as_is"]:
        tell_damaged(indexed(options, rebuild=False))
    marks = ("[", "]") if options["as_json"] else (_OPEN, _CLOSE)
    words = " ".join(options["words"])
    path = index_path(store_of(options))
    hits = search_index(path, words, limit=options["limit"], marks=marks, busy_timeout=options["db_timeout"])
    if options["as_json"]:
        print_json(hit.as_json() for hit in hits)
    elif hits:
        output_console().print(hits_table(hits))
    else:
        error_console().print(f"nothing has all of: {escape(words)}")


def store_of(options: Options) -> Path:
    """The file of runs that `--db` names."""
    path = Location.parse(options["db"]).path
    if path is None:
        raise UsageError("memory: keeps nothing that could be indexed", fix="Name a file: --db sqlite:///runs.db")
    return path


def indexed(options: Options, *, rebuild: bool) -> IndexReport:
    """The index of `--db`, up to date; a bar while threads are read."""
    path, wait = store_of(options), options["db_timeout"]
    with open_checkpointer(options["db"], create=False, busy_timeout=wait) as saver, progress(error_console()) as bar:
        shown = bar.add_task("threads", total=None, news="")
        return build_index(
            saver, index_path(path), rebuild=rebuild, busy_timeout=wait,
            listener=lambda done, all: bar.update(shown, completed=done, total=all),
        )  # fmt: skip


def tell_damaged(report: IndexReport) -> int:
    """One line a thread that could not be read; 1 if there are any, else 0."""
    for thread, problem in report.damaged.items():
        error_console().print(f"[yellow]thread {escape(thread)} could not be read:[/] {escape(problem)}")
    return int(bool(report.damaged))


def report_table(report: IndexReport) -> Table:
    """What was done, for a person."""
    counts = {
        "runs": report.runs, "threads": report.threads, "read": report.read, "unchanged": report.unchanged,
        "removed": report.removed, "rows written": report.written.total(), "seconds": round(report.seconds, 2),
    }  # fmt: skip
    table = Table()
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*map(str, counts.values()))
    return table


def hits_table(hits: list[Hit]) -> Table:
    """Where the words were found."""
    table = Table()
    for column in ("thread", "turn", "where", "text"):
        table.add_column(column, overflow="fold")
    for hit in hits:
        turn = "" if hit.turn is None else str(hit.turn)
        table.add_row(Text(hit.thread), turn, Text(f"{hit.kind} {hit.place}".strip()), _shown(hit.snippet))
    return table


def _shown(snippet: str) -> Text:
    """A snippet with what was found set off. Models write what they like: no control sign reaches the terminal."""
    text = Text()
    for part in snippet.split(_OPEN):
        found, closed, rest = part.partition(_CLOSE)
        text.append(_plain(found), _STYLE if closed else None)
        text.append(_plain(rest))
    return text


def _plain(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split(" "))
