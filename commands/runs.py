"""Runs made, taken up again, listed and shown."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, cast

from rich.table import Table

from ..checkpoints.canvas import canvas_chart
from ..checkpoints.mermaid import mermaid
from ..checkpoints.runner import RunResult, resume_run, start_run
from ..checkpoints.session import Session
from ..checkpoints.threads import list_threads
from ..checkpoints.trace import trace_tree
from ..console import (
    OFFLINE_NOTICE,
    error_console,
    output_console,
    print_json,
    print_result,
    progress,
    results_table,
    tell,
)
from ..errors import UsageError
from ..graphs.budget import RESOURCES, Budget
from ..graphs.context import Context
from ..graphs.operation import derived_seed
from ..graphs.state import Task
from ..operators.registry import Registry
from ..operators.sandbox import open_sandbox, self_check
from ..operators.tools.named import tools_named
from ..policies.policies import Policies
from ..training.tasks import check_answer
from ..training.tasks.task_file import TaskRow, read_task_file

Options = Mapping[str, Any]
COLLECT_EVERY: Final = 50_000


def policies_from(options: Options, stored: Mapping[str, str] | None = None) -> Policies:
    """Policies by `--ROLE`, else `--model`, else what the run used before, else offline."""
    known, model = stored or {}, options.get("model")

    def chosen(role: str, fallback: str | None = None) -> str | None:
        return options.get(role) or model or known.get(role) or fallback

    return Policies(
        designer=chosen("designer", "offline"),
        executor=chosen("executor", "offline"),
        verifier=chosen("verifier"),
        generator=chosen("generator"),
        summarizer=options.get("summarizer") or known.get("summarizer"),
    )


def budget_from(options: Options) -> Budget:
    """The limits that were given."""
    given = {name: options[f"budget_{name}"] for name in RESOURCES if options.get(f"budget_{name}") is not None}
    return cast(Budget, given)


def task_from(options: Options, question: str, id: str | None = None) -> Task:
    """The task, with the operators it may use."""
    task = Task(question=question)
    if id is not None:
        task["id"] = id
    if names := options.get("operators"):
        task["operators"] = [name.strip() for name in names.split(",") if name.strip()]
    return task


@contextmanager
def session_for(options: Options, policies: Policies | None = None, *, create: bool = False) -> Iterator[Session]:
    """The session that the options ask for; `policies` None: offline ones, for a look at what is stored."""
    with tools_named(options.get("tools", ())) as tools:
        registry = guarded(Registry.load().extended(tools), options.get("ask_before", ()))
        with open_session(options, policies, registry, create=create) as session:
            yield session


def guarded(registry: Registry, names: Iterable[str]) -> Registry:
    """`registry` with calls of the tools in `names` waiting for approval."""
    for name in names:
        if registry[name].parameters is None:
            raise UsageError(f"{name} is no tool", fix="--ask-before takes names of tools")
        registry = registry.replaced(replace(registry[name], approval=True))
    return registry


def open_session(options: Options, policies: Policies | None, registry: Registry, *, create: bool) -> Session:
    """A session with these operators."""
    return Session(
        options["db"],
        system=options.get("system", "dyflow"),
        preset=options.get("preset", "default"),
        policies=policies or policies_from({}),
        create=create,
        operators=registry,
        timeout=options["db_timeout"],
    )


@contextmanager
def resumable(command: str, options: Options) -> Iterator[None]:
    """Says how to go on when the work is interrupted: with `command`, on the same database."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        error_console().print(
            f"interrupted; every finished step is kept. Go on with: flowwright {command} --db {options['db']}"
        )
        sys.exit(130)


def run_command(options: Options) -> None:
    """`flowwright run`."""
    if (options["question"] is None) == (options["tasks"] is None):
        raise UsageError(
            "give either a QUESTION or --tasks FILE", fix='for instance: flowwright run "What is 3*(4+5)?"'
        )
    rows = read_task_file(options["tasks"], options["limit"]) if options["tasks"] else None
    with session_for(options, policies_from(options), create=True) as session:
        if options["operators"]:
            session.check_operators(task_from(options, "")["operators"])
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
    task = task_from(options, options["question"])
    with resumable(f"resume {thread}", options):
        result = asyncio.run(start_run(session.graph, task, thread, context, lambda event: tell(console, event)))
    if options["as_json"]:
        print_json([result.as_json() | {"correct": check_answer(options["question"], result.answer)}])
    else:
        print_result(result)


def run_rows(session: Session, rows: list[TaskRow], options: Options) -> None:
    """The rows of a task file, a bar while they run."""
    prefix = options["thread"] or f"{Path(options['tasks']).name.partition('.')[0]}-{token_hex(2)}"
    error_console().print(f"[dim]threads {prefix}-ID in {options['db']}; go on after a stop with --thread {prefix}[/]")
    with resumable(f"run --tasks {options['tasks']} --thread {prefix}", options):
        results, correct = run_with_bar(session, rows, options, prefix)
    if not options["as_json"]:
        output_console().print(results_table(prefix, {prefix: results}, {prefix: correct}))


def run_with_bar(
    session: Session, rows: list[TaskRow], options: Options, prefix: str
) -> tuple[list[RunResult], list[bool | None]]:
    """Results in the order of `rows`, and what an exact checker says of each; JSON lines as they come."""
    # What is loaded stays, and a run in flight is little garbage: collecting rarely saves about a third of the work.
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    tasks = [(f"{prefix}-{row.id}", task_from(options, row.question, row.id)) for row in rows]
    correct: dict[int, bool | None] = {}
    with progress(error_console()) as bar:
        shown = bar.add_task(prefix, total=len(rows), news="")

        def done(index: int, result: RunResult) -> None:
            correct[index] = check_answer(rows[index].question, result.answer)
            bar.update(shown, advance=1, news=f"{result.thread_id} {result.status}")
            if options["as_json"]:
                print_json([result.as_json() | {"correct": correct[index]}])

        budget, concurrency = budget_from(options), options.get("concurrency", 8)
        running = session.run_all(tasks, seed=options["seed"], budget=budget, concurrency=concurrency, done=done)
        results = asyncio.run(running)
    return results, [correct[index] for index in range(len(rows))]


def resume_command(options: Options) -> None:
    """`flowwright resume`."""
    thread = options["thread"]
    with session_for(options) as reader:
        stored = reader.state(thread)["run"]
    policies = policies_from(options, stored["policies"])
    asked = [*dict.fromkeys([*options["ask_before"], *stored.get("approvals", [])])]
    with session_for({**options, **stored, "ask_before": asked}, policies) as session:
        notice(session)
        console = error_console()
        with resumable(f"resume {thread}", options):
            answers = answers_from(options, session)
            result = asyncio.run(resume_run(session.graph, thread, lambda event: tell(console, event), answers))
    if options["as_json"]:
        print_json([result.as_json()])
    else:
        print_result(result)


def answers_from(options: Options, session: Session) -> dict[str, bool]:
    """What `--approve` and `--deny` say of the calls that wait, by interrupt id; `all` is every one of them."""
    waiting = session.waiting(options["thread"])
    given = [(id, name == "approve") for name in ("approve", "deny") for id in options[name]]
    return {one: yes for id, yes in given for one in (waiting if id == "all" else [id])}


def runs_command(options: Options) -> None:
    """`flowwright runs`."""
    with session_for(options) as session:
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
    output_console().print(table)


def run_row(session: Session, thread_id: str) -> dict[str, Any]:
    """What `flowwright runs` says of one thread."""
    state = session.graph.get_state({"configurable": {"thread_id": thread_id}}).values
    if "run" not in state:
        return dict.fromkeys(("thread", "system", "status", "answer", "turns", "operations", "calls", "tokens")) | {
            "thread": thread_id, "status": "foreign",
        }  # fmt: skip
    usage = state["usage"]
    return {
        "thread": thread_id, "system": state["run"]["system"], "status": state["status"], "answer": state.get("answer"),
        "turns": usage["turns"], "operations": usage["operations"], "calls": usage["calls"],
        "tokens": usage["input_tokens"] + usage["output_tokens"],
    }  # fmt: skip


def show_command(options: Options) -> None:
    """`flowwright show`."""
    with session_for(options) as session:
        state = session.state(options["thread"])
    if options["mermaid"]:
        sys.stdout.write((canvas_chart(state) or mermaid(state)) + "\n")
    elif options["as_json"]:
        messages = [message.model_dump(mode="json") for message in state.get("messages", [])]
        print_json([{**state, "messages": messages}])
    else:
        output_console().print(trace_tree(state, options["thread"], width=options["width"]))


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
        output_console().print(table)
    return 0 if all(one.passed for one in attempts) else 1
