"""What is laid out for a program to take is real: a secret on disk, in the environment, in a descriptor and in another
process, and listeners that know when they were reached. At the end it is gone, with all that was left behind."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_FILES = 20
_VICTIM = "import sys; sys.stdin.read()"


class Bait:
    """One lay-out, for one attempt after another."""

    def __init__(self) -> None:
        """Lays out everything."""
        self._stack = ExitStack()
        self.token = secrets.token_hex(16)
        self._variable = f"FLOWWRIGHT_SELF_CHECK_{self.token[:8].upper()}"
        os.environ[self._variable] = self.token
        self._folder = Path(tempfile.mkdtemp(prefix="flowwright-bait-"))
        self._folder.chmod(0o755)
        self._open = self._folder / "open"
        self._open.mkdir()
        self._open.chmod(0o777)
        self._secret = self._folder / "secret"
        self._secret.write_text(self.token)
        self._inherited = os.open(self._secret, os.O_RDONLY)
        os.set_inheritable(self._inherited, True)
        self._victim = self._start_victim()
        loopback, here = ("127.0.0.1", 0), str(self._folder / "socket")
        self._listeners = {
            "tcp": self._bound(socket.AF_INET, socket.SOCK_STREAM, loopback),
            "udp": self._bound(socket.AF_INET, socket.SOCK_DGRAM, loopback),
            "socket": self._bound(socket.AF_UNIX, socket.SOCK_STREAM, here),
            "abstract socket": self._bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.token}"),
        }

    def __enter__(self) -> Self:
        """The lay-out itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes everything away."""
        self._stack.close()
        self._victim.kill()
        self._victim.communicate()
        os.close(self._inherited)
        os.environ.pop(self._variable, None)
        shutil.rmtree(self._folder)

    def line(self) -> str:
        """Where everything is, as a line of JSON."""
        home = Path.home()
        project = Path(__file__).resolve().parent.parent
        known = {
            "token": self.token,
            "secret": str(self._secret),
            "folder": str(self._open),
            "home": _files(home),
            "project": _files(project),
            "victim": self._victim.pid,
            "tcp": self._listeners["tcp"].getsockname()[1],
            "udp": self._listeners["udp"].getsockname()[1],
            "socket": str(self._folder / "socket"),
        }
        return json.dumps(known) + "\n"

    def evidence(self) -> str | None:
        """What the attempt since the last call has left or reached; None: nothing."""
        if reached := [name for name, listener in self._listeners.items() if _reached(listener)]:
            return f"it reached the host's {', '.join(reached)}"
        if self._victim.poll() is not None:
            self._victim.communicate()
            self._victim = self._start_victim()
            return "another process was killed"
        return self._left_over()

    def _left_over(self) -> str | None:
        for place in (self._open, Path(tempfile.gettempdir()), Path("/tmp")):
            for left in place.glob(f"{self.token}*"):
                left.unlink()
                return f"a file was left in {place}"
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if f"{self.token}-daemon".encode() in process.read_bytes().split(b"\0"):
                    os.kill(int(process.parent.name), signal.SIGKILL)
                    return "a process outlived the run"
        return None

    def _start_victim(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _VICTIM, self.token],
            stdin=subprocess.PIPE,
            env={"SECRET": self.token},
        )

    def _bound(
        self, family: socket.AddressFamily, kind: socket.SocketKind, address: str | tuple[str, int]
    ) -> socket.socket:
        listener = self._stack.enter_context(socket.socket(family, kind))
        listener.bind(address)
        listener.setblocking(False)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        return listener


def _reached(listener: socket.socket) -> bool:
    """Whether anything has come to the listener since this was last asked."""
    reached = False
    with suppress(BlockingIOError):
        while True:
            if listener.type == socket.SOCK_STREAM:
                listener.accept()[0].close()
            else:
                listener.recv(1)
            reached = True
    return reached


def _files(folder: Path) -> list[str]:
    """Some files of the host that somebody who runs as us can read."""
    try:
        return [str(path) for path in sorted(folder.iterdir()) if path.is_file()][:_FILES]
    except OSError:
        return []
