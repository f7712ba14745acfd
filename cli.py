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
@click.argument("thread")
@click.option("--json", "as_json", is_flag=True, help="What came of it as one JSON object.")
@database_option
def replay(**options: Any) -> None:
    """Do the run on THREAD again from its records, without a model, and compare. Exit code 1 if anything differs."""
    from .commands.replay import replay_command

    sys.exit(replay_command(options))


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
@click.option("--rebuild", is_flag=True, help="Empty the index and read every run again.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@database_option
def index(**options: Any) -> None:
    """Build the run index beside a database (runs.db: runs.index.db), or bring it up to date: tables of runs, turns,
    operations, calls, faults and rewards for any SQLite tool, and full-text search. It may be deleted at any time.
    Exit code 1 if a thread could not be read."""
    from .commands.index import index_command

    sys.exit(index_command(options))


@app.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Best N texts.")
@click.option("--as-is", is_flag=True, help="Search the index as it is, without bringing it up to date first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text and line.")
@database_option
def search(**options: Any) -> None:
    """Find the runs whose questions, answers, decisions, instructions, replies or faults have all WORDS."""
    from .commands.index import search_command

    search_command(options)


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


@app.command()
@click.argument("thread")
@click.option("--at", required=True, metavar="TURN", help="The turn to decide anew, or the id of a checkpoint.")
@click.option("--samples", type=int, default=1, show_default=True, help="How many forks.")
@click.option("--seed", type=int, help="Seeds of the forks derive from it. Default: from the run's own.")
@click.option("--edit", metavar="JSON|@FILE", help='Change the past: {"budget": {...}, "memory": {KEY: TEXT}}.')
@click.option("--whole", is_flag=True, help="Store everything in each fork, for other programs to read the file.")
@click.option("--concurrency", type=click.IntRange(1), default=8, show_default=True, help="Forks at the same time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a fork and line.")
@tool_options
@model_options
@database_option
def fork(**options: Any) -> None:
    """Decide a turn of the run on THREAD anew, with new samples or other models. Nothing before it is run again.

    The forks are threads of their own, THREAD.TURN-1 and on; the same command again goes on with those that were
    interrupted, and makes new ones when all have ended. Models: those of the run, unless others are named.
    """
    from .commands.fork import fork_command

    fork_command(options)


@app.command()
@click.option("--reward", required=True, metavar="NAME", help="exact, finished, structure or cost.")
@click.option("--tasks", type=click.Path(path_type=Path), help="JSON or JSONL file with the answers, by row id.")
@click.option(
    "--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Only these runs, such as system=flowsteer."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run and line.")
@database_option
def score(**options: Any) -> None:
    """Give stored runs a reward. Nothing is run; earlier rewards stay beside it."""
    from .commands.score import score_command

    score_command(options)


@app.command()
@click.option("--format", metavar="FORMAT", help="sft, kto, dpo, grpo or atif.")
@click.option("--preset", metavar="NAME", help="A published set: dyflow-phase1 (sft) or dyflow-phase2 (kto).")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, .jsonl or .parquet.")
@click.option(
    "--filter", "filters", multiple=True, metavar="KEY=VALUE",
    help="Only these: system, role, policy, version, status, task, thread, since, until, reward (exact>=0.5).",
)  # fmt: skip
@click.option("--reward", metavar="NAME", help="Reward that judges runs. Default: the only one, where one is needed.")
@click.option("--success-at", type=float, default=0.5, show_default=True, help="Least reward of a success.")
@click.option(
    "--negatives/--no-negatives", default=None, help="Refused replies as bad ones. Default: yes, except in a preset."
)
@click.option("--split", multiple=True, metavar="NAME=SHARE", help="Share of tasks in a file of its own: test=0.1.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides splits, order and subsampling.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Files, counts and ledger as one JSON object.")
@database_option
def export(**options: Any) -> None:
    """Write stored runs as training data, with a data card and a ledger of everything that was left out beside it."""
    from .commands.export import export_command

    export_command(options)


@app.command()
@click.argument("model")
@click.argument("extra", nargs=-1, type=click.UNPROCESSED, metavar="[-- VLLM_FLAGS]...")
@click.option("--adapter", "adapters", multiple=True, metavar="NAME=DIR", help="Serve this LoRA adapter; repeatable.")
@click.option("--lora", is_flag=True, help="Make room for adapters to be loaded later, as training does.")
@click.option("--max-loras", type=click.IntRange(1), default=4, show_default=True, help="Adapters in one batch.")
@click.option("--max-lora-rank", type=click.IntRange(1), help="Default: what the adapters need, at least 16.")
@click.option("--name", help="Name to ask for. Default: the folder's name, or the hub's.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port to listen on.")
@click.option("--python", envvar="FLOWWRIGHT_VLLM_PYTHON", help="Interpreter with vLLM. Default: this environment's.")
@click.option("--max-model-len", type=click.IntRange(1), help="Tokens of prompt and completion together.")
@click.option("--dtype", help="float32, bfloat16, ... Default: vLLM's choice.")
@click.option(
    "--admin/--no-admin", default=None, help="Routes that load adapters and reset caches. Default: on loopback hosts."
)
@click.option("--dry-run", is_flag=True, help="Print the command line and its reasons, start nothing.")
def serve(**options: Any) -> None:
    """Serve MODEL (a folder or a hub name) with vLLM, set up so that its tokens and log-probs can be trained on.

    Arguments after -- go to vLLM as they are: flowwright serve DIR -- --max-num-seqs 32
    """
    from .commands.serve import serve_command

    serve_command(options)


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
