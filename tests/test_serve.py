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
from flowwright.training.tasks import check_answer

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
    # The server forbids blocking calls on its loop, and a coverage tracer makes them when it meets a new file.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--no-browser", "--no-reload"],
            cwd=folder,
            env={**inherited, **quiet},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while not answers(f"{address}/ok"):
        assert server.poll() is None, f"the server ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the server did not start:\n{log.read_text()}"
        time.sleep(0.2)
    yield address
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(20)
    sys.stderr.write(log.read_text()[-8_000:])


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.parametrize(
    "question",
    [
        "What is (3 + 4) * 5 - 2?",
        "Use each of the numbers 4, 7, 8, 8 exactly once, with +, -, *, / and parentheses, to make 24.",
    ],
    ids=["reasoned", "executed in the sandbox"],
)
@pytest.mark.parametrize("system", ["dyflow", "agentflow", "flowsteer"])
async def test_the_served_graph_runs_on_a_thread_of_the_server(url: str, system: str, question: str) -> None:
    from langgraph_sdk import get_client

    client = get_client(url=url)
    try:
        thread = await client.threads.create()
        result = await client.runs.wait(thread["thread_id"], system, input={"task": {"question": question}})
        assert isinstance(result, dict)
        assert result["status"] == "finished"
        assert check_answer(question, result["answer"])
        state = await client.threads.get_state(thread["thread_id"])
        assert state["values"]["run"]["system"] == system
    finally:
        await client.aclose()
