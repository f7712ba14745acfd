"""A process that waits for another one ends as that one ended, holds nothing open while it waits, and dies with its own
parent: so the end of any link of the chain from the host to a program is the end of all that come after it."""

from __future__ import annotations

import os

from .syscalls import check, libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_PARENT_DEATH, _KILL = 1, 9
_DUMPABLE = 4
_DESCRIPTORS = 1 << 16


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends."""
    check(libc.prctl(_PARENT_DEATH, _KILL, 0, 0, 0), "prctl")


def wait_for(child: int) -> NoReturn:
    """Reaps whatever ends, until `child` does; a signal that ended it is told as 128 and its number."""
    check(libc.prctl(_DUMPABLE, 0, 0, 0, 0), "prctl")  # not to be traced by what it waits for
    os.closerange(0, _DESCRIPTORS)
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
