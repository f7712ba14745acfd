"""What each command does once its arguments are read. Loaded by the command that runs, and only then."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from .checkpoints.mermaid import mermaid
from .checkpoints.open import open_checkpointer
from .checkpoints.runner import RunResult, resume_run
from .checkpoints.session import Session
from .checkpoints.threads import list_threads
from .checkpoints.trace import trace_tree
from .console import OFFLINE_NOTICE, error_console, print_json, print_result, progress, results_table, tell
from .errors import UsageError
from .graphs.budget import RESOURCES, Budget
from .graphs.context import Context
from .graphs.operation import derived_seed
from .graphs.state import Task
from .operators.sandbox import open_sandbox, self_check
from .policies.policies import Policies
from .training.tasks import FAMILIES, check_answer
from .training.tasks.task_file import TaskRow, read_task_file

Options = Mapping[str, Any]
ROLES: Final = ("designer", "executor", "generator", "summarizer")


def policies_from(options: Options, stored: Mapping[str, str] | None = None) -> Policies:
    """Policies by `--ROLE`, else `--model`, else what the run used before, else offline."""
    known = stored or {}
    model = options.get("model")
    chosen = {role: options.get(role) or model or known.get(role) for role in ROLES}
    for role in ("designer", "executor"):
        chosen[role] = chosen[role] or "offline"
    chosen["summarizer"] = options.get("summarizer") or known.get("summarizer")
    return Policies(**chosen)


def budget_from(options: Options) -> Budget:
    """The limits that were given."""
    given = {name: options[f"budget_{name}"] for name in RESOURCES if options.get(f"budget_{name}") is not None}
    return Budget(**given)  # type: ignore[typeddict-item]  # names are the resources


@contextmanager
def resumable(db: str, thread: str | None) -> Iterator[None]:
    """Says how to go on when the run is interrupted."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        how = f"flowwright resume {thread} --db {db}" if thread else "the same command with the same --thread"
        error_console().print(f"interrupted; every finished step is kept. Go on with: {how}")
        sys.exit(130)


def run_command(options: Options) -> None:
    """`flowwright run`."""
    if (options["question"] is None) == (options["tasks"] is None):
        raise UsageError("give either a QUESTION or --tasks FILE", fix='for instance: flowwright run "What is 3*(4+5)?"')
    rows = read_task_file(options["tasks"], options["limit"]) if options["tasks"] else None
    with Session(options["db"], options["system"], options["preset"], policies_from(options)) as session:
        notice(session)
        if rows is None:
            run_one(session, options)
        else:
            run_rows(session, rows, options)


def notice(session: Session) -> None:
    """Says plainly when no language model is involved."""
    if session.offline:
        error_console().print(f"[yellow]{OFFLINE_NOTICE}[/]")


def run_one(session: Session, options: Options) -> None:
    """One question, told as it goes."""
    thread = options["thread"] or f"run-{token_hex(4)}"
    console = error_console()
    console.print(f"[dim]thread {thread} in {options['db']}[/]")
    context = Context(seed=derived_seed(options["seed"], "0"), budget=budget_from(options))
    task = Task(question=options["question"])
    with resumable(options["db"], thread):
        from .checkpoints.runner import start_run

        result = asyncio.run(start_run(session.graph, task, thread, context, lambda event: tell(console, event)))
    if options["as_json"]:
        print_json([result.as_json() | {"correct": check_answer(options["question"], result.answer)}])
    else:
        print_result(result)


def run_rows(session: Session, rows: list[TaskRow], options: Options) -> None:
    """The rows of a task file, a bar while they run."""
    prefix = options["thread"] or f"{Path(options['tasks']).name.partition('.')[0]}-{token_hex(2)}"
    error_console().print(f"[dim]threads {prefix}-ID in {options['db']}; go on after a stop with --thread {prefix}[/]")
    tasks = [(f"{prefix}-{row.id}", Task(question=row.question, id=row.id)) for row in rows]
    with resumable(options["db"], None):
        results, correct = run_with_bar(session, tasks, options, prefix)
    if not options["as_json"]:
        Console().print(results_table(prefix, {prefix: results}, {prefix: correct}))


def run_with_bar(
    session: Session, tasks: list[tuple[str, Task]], options: Options, title: str
) -> tuple[list[RunResult], list[bool | None]]:
    """Results in the order of `tasks`, and what an exact checker says of each; JSON lines as they come."""
    correct: dict[int, bool | None] = {}
    with progress(error_console()) as bar:
        shown = bar.add_task(title, total=len(tasks), news="")

        def done(index: int, result: RunResult) -> None:
            correct[index] = check_answer(tasks[index][1]["question"], result.answer)
            bar.update(shown, advance=1, news=f"{result.thread_id} {result.status}")
            if options["as_json"]:
                print_json([result.as_json() | {"correct": correct[index]}])

        results = asyncio.run(
            session.run_all(
                tasks, seed=options["seed"], budget=budget_from(options), concurrency=options.get("concurrency", 8),
                done=done,
            )
        )  # fmt: skip
    return results, [correct[index] for index in range(len(tasks))]


def resume_command(options: Options) -> None:
    """`flowwright resume`."""
    thread = options["thread"]
    with Session(options["db"], create=False) as reader:
        stored = reader.state(thread)["run"]
    policies = policies_from(options, stored["policies"])
    with Session(options["db"], stored["system"], stored["preset"], policies, create=False) as session:
        notice(session)
        console = error_console()
        with resumable(options["db"], thread):
            result = asyncio.run(resume_run(session.graph, thread, lambda event: tell(console, event)))
    if options["as_json"]:
        print_json([result.as_json()])
    else:
        print_result(result)


def runs_command(options: Options) -> None:
    """`flowwright runs`."""
    with Session(options["db"], create=False) as session:
        threads = list_threads(session.saver, limit=options["limit"])
        rows = [run_row(session, thread.thread_id) for thread in threads]
    if options["as_json"]:
        print_json(rows)
        return
    table = Table()
    for column in ("thread", "system", "status", "answer", "turns", "operations", "calls", "tokens"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str("" if value is None else value) for value in row.values()))
    Console().print(table)


def run_row(session: Session, thread_id: str) -> dict[str, Any]:
    """What `flowwright runs` says of one thread."""
    state = session.graph.get_state({"configurable": {"thread_id": thread_id}}).values
    if "run" not in state:
        return dict.fromkeys(("thread", "system", "status", "answer", "turns", "operations", "calls", "tokens")) | {
            "thread": thread_id, "status": "foreign",
        }  # fmt: skip
    usage = state["usage"]
    return {
        "thread": thread_id, "system": state["run"]["system"], "status": state["status"], "answer": state["answer"],
        "turns": usage["turns"], "operations": usage["operations"], "calls": usage["calls"],
        "tokens": usage["input_tokens"] + usage["output_tokens"],
    }  # fmt: skip


def show_command(options: Options) -> None:
    """`flowwright show`."""
    with Session(options["db"], create=False) as session:
        state = session.state(options["thread"])
    if options["mermaid"]:
        click_echo(mermaid(state))
    elif options["as_json"]:
        messages = [message.model_dump(mode="json") for message in state.get("messages", [])]
        print_json([{**state, "messages": messages}])
    else:
        Console(highlight=False, soft_wrap=True).print(
            trace_tree(state, options["thread"], width=options["width"])
        )


def click_echo(text: str) -> None:
    """Plain text to standard output."""
    sys.stdout.write(text + "\n")


def demo_command(options: Options) -> None:
    """`flowwright demo`."""
    prefix = f"demo-{token_hex(2)}"
    groups: dict[str, list[RunResult]] = {}
    marks: dict[str, list[bool | None]] = {}
    with Session(options["db"]) as session:
        notice(session)
        with resumable(options["db"], None):
            for name, family in FAMILIES.items():
                made = family.generate(options["seed"], options["per_family"])
                tasks = [(f"{prefix}-{task.id}", Task(question=task.question, id=task.id)) for task in made]
                groups[name], marks[name] = run_with_bar(session, tasks, options, name)
        if not options["as_json"]:
            tell_demo(session, groups, marks, options["db"])


def tell_demo(
    session: Session, groups: dict[str, list[RunResult]], marks: dict[str, list[bool | None]], db: str
) -> None:
    """The table, the busiest run as a tree, and what to try next."""
    console = Console(highlight=False, soft_wrap=True)
    busiest = max((one for results in groups.values() for one in results), key=lambda one: one.usage["operations"])
    console.print(trace_tree(session.state(busiest.thread_id), busiest.thread_id, width=120))
    console.print(results_table("DyFlow, offline", groups, marks))
    console.print(f"Look at any run: flowwright runs --db {db}; flowwright show {busiest.thread_id} --db {db}")


def sandbox_check_command(options: Options) -> int:
    """`flowwright sandbox check`: the exit code."""
    provider = open_sandbox(options["provider"])
    attempts = self_check(provider)
    if options["as_json"]:
        print_json({"name": one.name, "passed": one.passed, "detail": one.detail} for one in attempts)
    else:
        table = Table(title=f"sandbox {provider.name}", title_justify="left")
        for column in ("attempt", "contained", "detail"):
            table.add_column(column, overflow="fold")
        for one in attempts:
            table.add_row(one.name, "[green]yes[/]" if one.passed else "[red]NO[/]", one.detail)
        Console().print(table)
    return 0 if all(one.passed for one in attempts) else 1
