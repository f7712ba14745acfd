"""No two runs share a user whose processes are counted together, and none runs as the system's root, whose processes
the kernel does not count at all. Root therefore gives each run a user of its own; an ordinary user cannot, and each run
gets a user namespace, which counts separately."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_FIRST, _COUNT = 1_900_000_000, 1 << 24
"""A range of user ids that neither people, services nor containers are given by custom."""
_NEEDED = (6, 7, 21)
"""CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN."""


def own_uid() -> int | None:
    """A user id for one run; None where this process has not the right to take one."""
    uid = _FIRST + secrets.randbelow(_COUNT)
    return uid if _may_become_anyone() and _is_mapped(uid) else None


def _may_become_anyone() -> bool:
    if os.geteuid() != 0:
        return False
    status = Path("/proc/self/status").read_text()
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    return all(effective >> capability & 1 for capability in _NEEDED)


def _is_mapped(uid: int) -> bool:
    """Inside a container's user namespace only some ids exist."""
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    return any(int(first) <= uid < int(first) + int(count) for first, _, count in map(str.split, lines))
