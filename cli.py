"""The command `flowwright`: one function a command. Importing this module loads nothing heavy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_DB = "sqlite:///flowwright.db"


def database_option(command: Command) -> Command:
    """`--db` and `--db-timeout`, as every command that reads or writes runs has them."""
    text = "Seconds to wait for a database that another process has locked."
    command = click.option(
        "--db-timeout", type=click.FloatRange(0), default=10.0, envvar="FLOWWRIGHT_DB_TIMEOUT", help=text
    )(command)
    text = "Where runs live: sqlite:///FILE (or the variable FLOWWRIGHT_DB)."
    return click.option("--db", default=DEFAULT_DB, envvar="FLOWWRIGHT_DB", show_default=True, help=text)(command)


def model_options(command: Command) -> Command:
    """`--model` for all roles, and one option a role."""
    scheme = "vllm:MODEL[@URL], openai:MODEL, local:PATH, provider:model, or offline (rule-based, no model)"
    for role in ("summarizer", "generator", "verifier", "executor", "designer"):
        command = click.option(f"--{role}", metavar="MODEL", help=f"Model of the {role} alone.")(command)
    text = f"Model of every role: {scheme}. Default: the variable FLOWWRIGHT_MODEL, else offline."
    return click.option("--model", metavar="MODEL", envvar="FLOWWRIGHT_MODEL", help=text)(command)


def tool_options(command: Command) -> Command:
    """`--tool` and `--ask-before`."""
    text = "Calls of this tool wait for approval (flowwright resume THREAD --approve ID). May be repeated."
    command = click.option("--ask-before", multiple=True, metavar="TOOL", help=text)(command)
    text = "One more tool: corpus:PATH, searxng:URL, mcp:NAME=URL, web-search, wikipedia, fetch, python-session."
    return click.option("--tool", "tools", multiple=True, metavar="NAME[:PLACE]", help=text)(command)


def budget_options(command: Command) -> Command:
    """One `--budget-*` option a resource."""
    for name in ("seconds", "money", "tokens", "calls", "operations", "turns"):
        kind = click.FloatRange(0) if name in ("seconds", "money") else click.IntRange(0)
        unit = {"seconds": "active seconds", "money": "USD"}.get(name, name)
        command = click.option(f"--budget-{name}", type=kind, help=f"At most so many {unit} a run.")(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="flowwright")
def app() -> None:
    """Agents that design their own workflow while they run. Every run is checkpointed and can be resumed."""


@app.command()
@click.argument("question", required=False)
@click.option(
    "--tasks", type=click.Path(path_type=Path), help="JSON or JSONL file of rows with question/query, answer."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N rows of --tasks.")
@click.option("--system", default="dyflow", show_default=True, help="dyflow, agentflow or flowsteer.")
@click.option("--operators", help="Only these operators, separated by commas.")
@click.option("--preset", default="default", show_default=True, help="Named settings of the system, such as paper.")
@click.option("--thread", help="Name of the run; with --tasks a prefix, and a second call goes on where it stopped.")
@click.option("--seed", type=int, default=0, show_default=True, help="All sampling seeds derive from it.")
@click.option("--concurrency", type=click.IntRange(1), default=8, show_default=True, help="Runs at the same time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a task and line on standard output.")
@tool_options
@model_options
@budget_options
@database_option
def run(**options: Any) -> None:
    """Answer QUESTION, or every row of --tasks, designing a workflow for each."""
    from .commands.runs import run_command

    run_command(options)


@app.command()
@click.argument("thread")
@click.option("--approve", multiple=True, metavar="ID", help="Let a waiting tool call be made; `all`: every one.")
@click.option("--deny", multiple=True, metavar="ID", help="Refuse a waiting tool call; `all`: every one.")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@tool_options
@model_options
@database_option
def resume(**options: Any) -> None:
    """Go on with the run on THREAD where it stopped. Finished work is not done again."""
    from .commands.runs import resume_command

    resume_command(options)


@app.command()
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Newest N threads.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a thread and line.")
@database_option
def runs(**options: Any) -> None:
    """List the runs of a database, newest first."""
    from .commands.runs import runs_command

    runs_command(options)


@app.command()
@click.argument("thread")
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart instead of the tree.")
@click.option("--json", "as_json", is_flag=True, help="The whole state as one JSON object.")
@click.option("--width", type=click.IntRange(40), default=300, show_default=True, help="Characters shown of a text.")
@database_option
def show(**options: Any) -> None:
    """Show the run on THREAD: stages, operators, inputs, outputs, feedback, cost."""
    from .commands.runs import show_command

    show_command(options)


@app.command()
@click.option("--tasks", "per_family", type=click.IntRange(1), default=5, show_default=True, help="Tasks a family.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of tasks and runs.")
@click.option("--thread", help="Name of the demo; a second call with it goes on where the first stopped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run and line.")
@database_option
def demo(**options: Any) -> None:
    """Let the three systems solve the same generated problems offline: no key, no GPU, no network."""
    from .demo import demo_command

    demo_command(options)


@app.group()
def sandbox() -> None:
    """Where model-written code runs."""


@sandbox.command()
@click.option("--provider", help="Check this provider; default: the one that would be used.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an attempt and line.")
def check(**options: Any) -> None:
    """Try to break out of the sandbox, in every way of the self-check. Exit code 1 if anything got through."""
    from .commands.runs import sandbox_check_command

    sys.exit(sandbox_check_command(options))


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Bad input is one line on standard error and exit code 2; Ctrl-C is 130."""
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    try:
        app.main(args=arguments, prog_name="flowwright", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        fail(error.format_message())
    except (KeyboardInterrupt, click.Abort):
        click.echo("flowwright: interrupted", err=True)
        sys.exit(130)
    except ValueError as error:
        from .errors import UsageError

        if not isinstance(error, UsageError):
            raise
        fail(str(error))


def fail(message: str) -> None:
    """One clear line, exit code 2."""
    click.echo(f"flowwright: {' '.join(message.split())}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
