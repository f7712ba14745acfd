"""After this stage the process has the privileges and limits of an untrusted program and no way back; only then does it
tell the host that a program may be sent."""

from __future__ import annotations

import ctypes
import os
import resource
from typing import TypedDict

from .wire import Wire

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER_MODE = 38, 22, 2


class Confinement(TypedDict):
    """What to take away."""

    uid: int | None
    """User and group to become for good; None: the process is already an unprivileged one."""
    rlimits: dict[str, tuple[int, int]]
    seccomp: bytes


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def main(wire: Wire, job: Confinement) -> None:
    """Gives up root, sets the limits, installs the system call filter, reports ready."""
    if job["uid"] is not None:
        os.setgroups([])
        os.setresgid(job["uid"], job["uid"], job["uid"])
        os.setresuid(job["uid"], job["uid"], job["uid"])
    os.umask(0o077)
    os.chdir("/tmp")
    for name, bounds in job["rlimits"].items():
        resource.setrlimit(getattr(resource, name), bounds)
    _install(job["seccomp"])
    wire.send(b"ready")


def _install(instructions: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(instructions) // 8, instructions)
    for call in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER_MODE, ctypes.byref(program))):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), "the system call filter could not be installed")
