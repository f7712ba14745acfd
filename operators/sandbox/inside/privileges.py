"""What is given up here is given up for good: the process, and all it starts, has no capability and can gain none."""

from __future__ import annotations

import os
import struct

from .syscalls import check, libc

_DROP_BOUND, _NO_NEW_PRIVILEGES = 24, 38
_CAPABILITY_VERSION = 0x2008_0522
_LAST_CAPABILITY = 63


def give_up(uid: int | None) -> None:
    """Becomes user and group `uid` (None: stays who it is) and drops every capability."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    for capability in range(_LAST_CAPABILITY + 1):
        if libc.prctl(_DROP_BOUND, capability, 0, 0, 0):
            break  # past the last one this kernel has, or no right to shrink a bound that no longer matters
    check(libc.capset(struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24)), "capset")


def forbid_gain() -> None:
    """From here on no program that is run brings a privilege with it."""
    check(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
