"""A stored run is continued otherwise from one of its turns, as often as asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ..checkpoints.forks.decision_point import last_of
from ..checkpoints.forks.fork import fork_runs
from ..checkpoints.forks.forked import Fork, run_forks
from ..checkpoints.open import open_checkpointer
from ..checkpoints.runner import RunResult
from ..checkpoints.session import Session
from ..console import error_console, print_json, print_result, progress
from ..errors import UsageError
from ..graphs.memory import PROBLEM
from ..training.tasks import check_answer
from .runs import Options, notice, policies_from, resumable, session_for


def fork_command(options: Options) -> None:
    """`flowwright fork`."""
    thread, at = options["thread"], options["at"]
    edit = edit_from(options["edit"])
    with closing(open_checkpointer(options["db"], create=False, busy_timeout=options["db_timeout"])) as saver:
        _, run = last_of(saver, thread)
    asked = [*dict.fromkeys([*options["ask_before"], *run.get("approvals", [])])]
    with session_for({**options, **run, "ask_before": asked}, policies_from(options, run["policies"])) as session:
        forks = fork_runs(
            session.graph, thread, at=int(at) if at.isdecimal() else at, samples=options["samples"],
            seed=options["seed"], edit=edit, whole=options["whole"],
        )  # fmt: skip
        notice(session)
        tell_forks(forks, options)
        question = next(one["content"] for one in session.state(thread)["memory"] if one["key"] == PROBLEM)
        with resumable(again(options), options):
            asyncio.run(run_with_bar(session, forks, options, question))


def edit_from(text: str | None) -> dict[str, Any] | None:
    """The edit that `--edit` gives, as JSON or as `@FILE`; None: none. Raises UsageError."""
    if text is None:
        return None
    try:
        found = json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise UsageError(f"cannot read the edit {text[1:]}: {error.strerror}", fix="Name a JSON file") from error
    except ValueError as error:
        raise UsageError(
            f"the edit is not JSON ({error})", fix="""Write --edit '{"budget": {"turns": 9}}'"""
        ) from error
    if not isinstance(found, dict):
        raise UsageError(f"the edit is {found!r}", fix="""Write --edit '{"budget": {"turns": 9}}'""")
    return found


def tell_forks(forks: Sequence[Fork], options: Options) -> None:
    """Names the threads that the forks are."""
    names = forks[0].thread_id if len(forks) == 1 else f"{forks[0].thread_id} to {forks[-1].thread_id}"
    turn = forks[0].origin["turn"]
    error_console().print(f"[dim]turn {turn} of {options['thread']} is decided anew on {names}[/]")


def again(options: Options) -> str:
    """The command that goes on with these forks."""
    given = {name: options[name] for name in ("at", "samples", "seed", "edit") if options[name] is not None}
    flags = " ".join(f"--{name} {value!r}" if name == "edit" else f"--{name} {value}" for name, value in given.items())
    return f"fork {options['thread']} {flags}{' --whole' if options['whole'] else ''} (and the same models)"


async def run_with_bar(session: Session, forks: Sequence[Fork], options: Options, question: str) -> None:
    """Runs the forks; results as they come, JSON lines or for a person."""
    with progress(error_console()) as bar:
        shown = bar.add_task("forks", total=len(forks), news="")

        def done(index: int, result: RunResult) -> None:
            bar.update(shown, advance=1, news=f"{result.thread_id} {result.status}")
            if options["as_json"]:
                fork, correct = forks[index], check_answer(question, result.answer)
                print_json([result.as_json() | {"correct": correct, "origin": fork.origin, "seed": fork.seed}])

        results = await run_forks(session.graph, forks, concurrency=options["concurrency"], done=done)
    if not options["as_json"]:
        for result in results:
            print_result(result)
