"""A vLLM server is started so that what it reports is what it sampled, and every flag can say why it is there.

Invariants: the log-probs it reports are of the distribution sampled from; routes that load adapters or empty caches
exist only on a host that nobody else reaches, unless the caller says otherwise; what cannot work (no vLLM, no such
folder, a taken port) is said before anything starts.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from ..errors import UsageError
from .installation import Installed

RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The LoRA ranks that vLLM makes room for."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter that the server has from its start."""

    name: str
    directory: Path
    rank: int

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """`NAME=DIR`. Raises UsageError for anything else, or a directory that holds no adapter."""
        name, equals, place = text.partition("=")
        if not equals or not name.strip() or not place.strip():
            raise UsageError(f"{text!r} names no adapter and directory", fix="Write --adapter NAME=DIR")
        directory = Path(place.strip()).expanduser().absolute()
        return cls(name.strip(), directory, adapter_rank(directory))


@dataclass(frozen=True, slots=True)
class Flag:
    """Arguments or a variable of the server, and why."""

    text: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True)
class Server:
    """What is to be served, how."""

    model: str
    """A folder that `save_pretrained` wrote, or the hub's name of a model."""
    name: str = ""
    """The name to ask for; empty: the folder's, or the hub's."""
    host: str = "127.0.0.1"
    port: int = 8000
    max_model_len: int | None = None
    """Tokens of prompt and completion together; None: the model's own limit."""
    dtype: str | None = None
    """None: the model's own, bfloat16 for a float32 one."""
    lora: bool = False
    """Adapters can be loaded; True anyway when `adapters` are given."""
    adapters: tuple[Adapter, ...] = ()
    max_loras: int = 4
    """Adapters in one batch: two versions of each while one replaces the other."""
    max_lora_rank: int | None = None
    """None: what `adapters` need, at least 16."""
    admin: bool | None = None
    """Whether adapters can be loaded and the prefix cache reset while it runs; None: on a loopback host alone."""
    extra: tuple[str, ...] = ()
    """Further arguments of vLLM; they come last and win."""

    def __post_init__(self) -> None:
        """Refuses what vLLM would refuse later, or do differently than asked."""
        if (
            self.model.startswith(("/", "./", "../", "~"))
            and not (Path(self.model).expanduser() / "config.json").is_file()
        ):
            raise UsageError(
                f"{self.model!r} is no folder with a config.json", fix="Name a folder that save_pretrained wrote"
            )
        names = [self.served_name, *(adapter.name for adapter in self.adapters)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"{twice!r} names two things", fix="Give each adapter a name of its own")
        for argument in self.extra:
            if argument.partition("=")[0] in ("--host", "--port", "--served-model-name", "--model"):
                raise UsageError(f"{argument.partition('=')[0]} comes before the --", fix="See flowwright serve --help")
        if self.wants_lora and self.admin is None and not is_loopback(self.host):
            raise UsageError(
                f"On {self.host} whoever reaches port {self.port} could load adapters and reset caches",
                fix="Say --no-admin to serve the adapters given at the start alone, or --admin to allow it",
            )

    @property
    def wants_lora(self) -> bool:
        """Whether adapters can be served at all."""
        return self.lora or bool(self.adapters)

    @property
    def administered(self) -> bool:
        """Whether the routes that change the server exist."""
        return is_loopback(self.host) if self.admin is None else self.admin

    @property
    def served_name(self) -> str:
        """The model's name in requests."""
        return self.name or (Path(self.model).expanduser().resolve().name if self._is_local else self.model)

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self.port}/v1"

    @property
    def _is_local(self) -> bool:
        return Path(self.model).expanduser().is_dir()

    def flags(self, *, cpu: bool) -> list[Flag]:
        """The arguments after the entry point. `cpu`: the server computes on CPUs."""
        model = str(Path(self.model).expanduser().absolute()) if self._is_local else self.model
        flags = [
            Flag(("--model", model)),
            Flag(("--served-model-name", self.served_name), "the name to ask for"),
            Flag(("--host", self.host), "nobody else reaches it" if is_loopback(self.host) else "as asked"),
            Flag(("--port", str(self.port))),
            Flag(("--logprobs-mode", "processed_logprobs"), "log-probs of the distribution sampled from, for training"),
        ]
        if self.max_model_len is not None:
            flags.append(Flag(("--max-model-len", str(self.max_model_len)), "prompt and completion together"))
        if self.dtype is not None:
            flags.append(Flag(("--dtype", self.dtype), "as asked"))
        if cpu:
            flags.append(Flag(("--enforce-eager",), "compiling gains nothing on a CPU and takes minutes"))
            flags.append(Flag(("--no-enable-chunked-prefill",), "else a long prompt with a seed kills a CPU server"))
        return [*flags, *self._lora_flags(), *([Flag(self.extra, "as asked")] if self.extra else [])]

    def _lora_flags(self) -> list[Flag]:
        if not self.wants_lora:
            return []
        needed = max([16, *(adapter.rank for adapter in self.adapters)])
        rank = self.max_lora_rank or next((rank for rank in RANKS if rank >= needed), RANKS[-1])
        flags = [
            Flag(("--enable-lora",), "adapters are served by name"),
            Flag(("--max-lora-rank", str(rank)), "room for each adapter's matrices"),
            Flag(
                ("--max-loras", str(self.max_loras)), "adapters in one batch: old and new version while one is swapped"
            ),
        ]
        if self.adapters:
            pairs = [f"{adapter.name}={adapter.directory}" for adapter in self.adapters]
            flags.append(Flag(("--lora-modules", *pairs), "loaded from the start"))
        return flags

    def variables(self, inherited: Mapping[str, str], *, cpu: bool) -> list[Flag]:
        """Variables to set. A knob that `inherited` has already is left as it is."""
        ours = [Flag(("VLLM_NO_USAGE_STATS", "1"), "nothing is reported to anybody")]
        if self._is_local:
            ours.append(Flag(("HF_HUB_OFFLINE", "1"), "the model is a folder: the hub is not asked"))
        if cpu:
            ours.append(Flag(("TORCH_COMPILE_DISABLE", "1"), "else the first log-probs wait for a compiler"))
            ours.append(Flag(("VLLM_CPU_KVCACHE_SPACE", "2"), "GiB of memory for keys and values"))
        ours = [flag for flag in ours if flag.text[0] not in inherited]
        admin = "1" if self.administered else "0"
        ours.append(Flag(("VLLM_SERVER_DEV_MODE", admin), "the route that resets the prefix cache"))
        updating = "1" if self.administered and self.wants_lora else "0"
        return [*ours, Flag(("VLLM_ALLOW_RUNTIME_LORA_UPDATING", updating), "the routes that load and unload adapters")]


@dataclass(frozen=True)
class Start:
    """A command line that becomes the server."""

    server: Server
    installed: Installed
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """The variables that stand already."""

    @property
    def command(self) -> list[str]:
        """The argument vector."""
        flags = [text for flag in self.server.flags(cpu=self.installed.cpu) for text in flag.text]
        if self.installed.command:  # `serve` takes the model as its first argument
            return [self.installed.python, "-m", "vllm.entrypoints.cli.main", "serve", *flags[1:]]
        return [self.installed.python, "-m", "vllm.entrypoints.openai.api_server", *flags]

    @property
    def environment(self) -> dict[str, str]:
        """All variables of the server."""
        return {**self.inherited, **{flag.text[0]: flag.text[1] for flag in self._variables}}

    @property
    def shell(self) -> str:
        """The command as a shell takes it."""
        return " ".join([*(f"{flag.text[0]}={flag.text[1]}" for flag in self._variables), shlex.join(self.command)])

    def reasons(self) -> list[tuple[str, str]]:
        """Each variable and flag that was chosen, and why."""
        chosen = [("=".join(flag.text), flag.why) for flag in self._variables]
        flags = self.server.flags(cpu=self.installed.cpu)
        return [*chosen, *((shlex.join(flag.text), flag.why) for flag in flags)]

    @property
    def _variables(self) -> list[Flag]:
        return self.server.variables(self.inherited, cpu=self.installed.cpu)


def adapter_rank(directory: Path) -> int:
    """The rank of the LoRA adapter in `directory`. Raises UsageError when there is none."""
    try:
        rank = json.loads((directory / "adapter_config.json").read_text())["r"]
    except FileNotFoundError:
        raise UsageError(
            f"{str(directory)!r} has no adapter_config.json", fix="Name a folder that PEFT's save_pretrained wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        rank = None
    if not isinstance(rank, int) or not 0 < rank <= RANKS[-1]:
        raise UsageError(f"{str(directory / 'adapter_config.json')!r} states no rank r between 1 and {RANKS[-1]}")
    return rank


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_port(host: str, port: int) -> None:
    """Raises UsageError when nothing can listen there: another server would seem to be ours."""
    try:
        place = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(place[0], place[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place[4])
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened on ({error.strerror or error})", fix="Name another --host or --port"
        ) from None
