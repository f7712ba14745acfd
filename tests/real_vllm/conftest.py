"""One real vLLM server for all tests of this folder, started as a user starts it: with `flowwright serve`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_vllm.drifting_model import make_adapter, make_model
from real_vllm.running import Running, await_ready


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server, ended by Ctrl-C, whose exit code has to reach whoever started it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "server.log"
    fixed = make_adapter(tmp_path_factory.mktemp("adapters") / "fixed", seed=99)
    command = [
        str(Path(sys.executable).with_name("flowwright")), "serve", str(model), "--port", str(port),
        "--dtype", "float32", "--max-model-len", "32768", "--adapter", f"fixed={fixed}", "--max-lora-rank", "8",
        "--", "--max-num-seqs", "32",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}
        )
    running = Running(f"http://127.0.0.1:{port}/v1", model, log, process)
    try:
        await_ready(running)
        yield running
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130, -signal.SIGINT)
    finally:
        process.kill()
        process.wait()
        sys.stderr.write(log.read_text(errors="replace")[-6_000:])
