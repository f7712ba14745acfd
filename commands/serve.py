"""`flowwright serve`: this process becomes a vLLM server, so signals and exit code are the server's own."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.markup import escape

from ..console import error_console
from ..policies.installation import find_vllm
from ..policies.serving import Adapter, Server, Start, check_port

LOOK_SECONDS: Final = 0.5
"""Between two looks whether the server is ready."""


def serve_command(options: Mapping[str, Any]) -> None:
    """`flowwright serve`. Returns only from a dry run."""
    server = Server(
        model=options["model"],
        name=options["name"] or "",
        host=options["host"],
        port=options["port"],
        max_model_len=options["max_model_len"],
        dtype=options["dtype"],
        lora=options["lora"],
        adapters=tuple(Adapter.parse(text) for text in options["adapters"]),
        max_loras=options["max_loras"],
        max_lora_rank=options["max_lora_rank"],
        admin=options["admin"],
        extra=tuple(options["extra"]),
    )
    start = Start(server, find_vllm(options["python"]))
    explain(start)
    if options["dry_run"]:
        sys.stdout.write(start.shell + "\n")
        return
    check_port(server.host, server.port)
    announce(server, os.getpid())
    sys.stderr.flush()
    os.execve(start.installed.python, start.command, start.environment)


def explain(start: Start) -> None:
    """What is started, and why so."""
    console = error_console()
    installed = start.installed
    kind = "for CPUs, " if installed.cpu else ""
    console.print(
        f"[bold]vLLM {installed.version}[/] ({kind}{escape(installed.python)}) serves {escape(start.server.model)}"
    )
    for text, why in start.reasons():
        console.print(f"  {escape(text):<50} [dim]{escape(why)}[/]")


def announce(server: Server, pid: int) -> None:
    """Has a process of its own, no child of the server's, say on standard error when the server `pid` is ready. vLLM is
    for Linux; elsewhere it is on its own."""
    if sys.platform != "linux":
        return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork() == 0:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_DFL)
        watch(server, pid)
    os._exit(0)


def watch(server: Server, pid: int) -> None:
    """Looks until the server answers or `pid` has ended."""
    began = time.monotonic()
    ended = _ends(pid)
    while not ended(LOOK_SECONDS):
        if answers(server.url.removesuffix("/v1") + "/health"):
            took = time.monotonic() - began
            sys.stderr.write(f"\nflowwright: ready after {took:.0f} s at {server.url}\n{how_to_use(server)}\n")
            sys.stderr.flush()
            return


def _ends(pid: int) -> Callable[[float], bool]:
    """A function that waits so many seconds, and less when the process ends, and says whether it has. One that nobody
    has reaped counts as ended: whoever started it may be waiting for the output of this process first."""
    watched = select.poll()
    watched.register(os.pidfd_open(pid), select.POLLIN)
    return lambda seconds: bool(watched.poll(seconds * 1000))


def how_to_use(server: Server) -> str:
    """Command lines for what is served."""
    names = [server.served_name, *(adapter.name for adapter in server.adapters)]
    lines = [f'  flowwright run "..." --model vllm:{name}@{server.url}' for name in names]
    if server.wants_lora and server.administered:
        lines.append(f"  adapters: flowwright.policies.adapters.Adapters({server.url!r}).publish(NAME, VERSION, DIR)")
    return "\n".join(lines)


def answers(url: str) -> bool:
    """Whether the server says that it is healthy."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
