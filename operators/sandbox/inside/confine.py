"""After this stage the process has the privileges and limits of an untrusted program and no way back; only then does it
tell the host that a program may be sent."""

from __future__ import annotations

import ctypes
import os
import resource

from .privileges import forbid_gain, give_up
from .supervision import wait_for
from .syscalls import check, libc
from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .jobs import Confinement

_SECCOMP, _FILTER_MODE = 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def main(wire: Wire, job: Confinement) -> None:
    """Returns in the process that the program is for. The first process of the namespace, in which this was called,
    waits for its end: signals do not work on that one as a program expects. It keeps its user, or its parent, whose
    user it shares, could not end it."""
    _install(job["seccomp"])
    child = os.fork()
    if child:
        give_up(None)
        wait_for(child)
    wire.adopt()
    give_up(job["uid"])
    os.umask(0o077)
    os.chdir("/tmp")
    for name, bounds in job["rlimits"].items():
        resource.setrlimit(getattr(resource, name), bounds)
    wire.send(b"ready")


def _install(instructions: bytes) -> None:
    forbid_gain()
    program = _Program(len(instructions) // 8, instructions)
    check(libc.prctl(_SECCOMP, _FILTER_MODE, ctypes.byref(program)), "seccomp")
