"""A stored run is replayed from its records, to show that nothing but them decided it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import asdict

from ..checkpoints.open import open_checkpointer
from ..checkpoints.replay import replay
from ..console import output_console, print_json
from .runs import Options


def replay_command(options: Options) -> int:
    """`flowwright replay`: the exit code, 1 where the states differ."""
    with closing(open_checkpointer(options["db"], create=False, busy_timeout=options["db_timeout"])) as saver:
        found = asyncio.run(replay(saver, options["thread"]))
    if options["as_json"]:
        print_json([{**asdict(found), "equal": found.equal}])
        return 0 if found.equal else 1
    console = output_console()
    done = f"{found.calls} calls and {found.operations} operations taken from the records, no model asked"
    console.print(f"[green]equal, byte for byte[/] {done}" if found.equal else f"[red]different[/] {done}")
    for line in found.differences:
        console.print(line, markup=False)
    return 0 if found.equal else 1
