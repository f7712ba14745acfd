"""`langgraph.json` works in LangGraph's own development server, offline."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    config = shutil.copy(ROOT / "langgraph.json", folder)
    command = [Path(sys.executable).parent / "langgraph", "dev", "--config", config, "--host", "127.0.0.1"]
    quiet = {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "FLOWWRIGHT_MODEL": "offline"}
    server = subprocess.Popen(
        [*command, "--port", str(port), "--no-browser", "--no-reload"],
        cwd=folder,
        env={**os.environ, **quiet},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while not answers(f"{address}/ok"):
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.2)
    yield address
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


async def test_the_served_graph_runs_on_a_thread_of_the_server(url: str) -> None:
    from langgraph_sdk import get_client

    client = get_client(url=url)
    try:
        thread = await client.threads.create()
        task = {"task": {"question": "What is (3 + 4) * 5 - 2?"}}
        result = await client.runs.wait(thread["thread_id"], "dyflow", input=task)
        assert isinstance(result, dict)
        assert (result["status"], result["answer"]) == ("finished", "33")
        state = await client.threads.get_state(thread["thread_id"])
        assert state["values"]["run"]["system"] == "dyflow"
    finally:
        await client.aclose()
