"""The default provider: bubblewrap makes the namespaces and the file system, a stage of ours sets the limits."""

from __future__ import annotations

import shutil
from pathlib import PurePath
from typing import ClassVar

from .identity import own_uid
from .interpreter import DEVICES, Interpreter
from .launch import Launch
from .limits import Limits
from .protocol import SandboxUnavailable
from .provider import Provider, confine_stage

_INSIDE_ID = "65534"
_NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")


class Bubblewrap(Provider):
    """Programs under `bwrap`, 0.8 or later."""

    name: ClassVar[str] = "bubblewrap"

    def __init__(self) -> None:
        """Raises SandboxUnavailable where `bwrap` is not installed."""
        found = shutil.which("bwrap")
        if found is None:
            raise SandboxUnavailable("bwrap is not installed", fix="Run: apt install bubblewrap")
        self._bwrap = found

    def launch(self, limits: Limits) -> Launch:
        """See Provider.launch."""
        uid = own_uid()
        prefix = (self._bwrap, *_NAMESPACES, *_user(uid), *_file_system(limits), *_behaviour(), "--")
        return Launch(prefix, (confine_stage(limits, uid),))


def _user(uid: int | None) -> tuple[str, ...]:
    if uid is None:
        return "--unshare-user", "--uid", _INSIDE_ID, "--gid", _INSIDE_ID
    return "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"


def _file_system(limits: Limits) -> list[str]:
    interpreter = Interpreter.running()
    arguments: list[str] = []
    shown = [*interpreter.readable, *(path for path, _ in interpreter.links), *DEVICES]
    for directory in sorted({str(parent) for path in shown for parent in PurePath(path).parents} - {"/"}):
        arguments += ["--perms", "0755", "--dir", directory]  # else they are private to whoever runs bwrap
    for path in interpreter.readable:
        arguments += ["--ro-bind", path, path]
    for path in interpreter.hidden:
        arguments += ["--tmpfs", path, "--remount-ro", path]
    for path, target in interpreter.links:
        arguments += ["--symlink", target, path]
    for path in DEVICES:
        arguments += ["--dev-bind", path, path]
    arguments += ["--perms", "1777", "--size", str(limits.file_bytes), "--tmpfs", "/tmp"]
    return [*arguments, "--remount-ro", "/"]


def _behaviour() -> tuple[str, ...]:
    return "--die-with-parent", "--as-pid-1", "--new-session", "--hostname", "sandbox"
