"""A server that a test has started."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 180


@dataclass(frozen=True)
class Running:
    url: str
    model: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def root(self) -> str:
        return self.url.removesuffix("/v1")


def await_ready(running: Running) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "ready after" not in (told := running.log.read_text(errors="replace")):
        assert running.process.poll() is None, f"the server ended:\n{told[-6_000:]}"
        assert time.monotonic() < deadline, f"the server did not start:\n{told[-6_000:]}"
        time.sleep(0.2)
