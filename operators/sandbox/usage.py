"""What a tree of processes uses together: the kernel keeps limits for one process or for one user, and none at all on
the number of root's processes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def children_of(pid: int) -> list[int]:
    """The processes that `pid` has started; none, once it has ended."""
    found: list[int] = []
    for thread in _threads(pid):
        with suppress(OSError):  # it may end at any moment
            found += map(int, (thread / "children").read_text().split())
    return found


def tree_usage(pid: int) -> tuple[int, int]:
    """Threads and bytes of private memory of `pid` and all that descend from it. Pages of files and of shared mappings
    do not count."""
    threads = memory = 0
    left = [pid]
    while left:
        process = left.pop()
        threads += len(_threads(process))
        memory += _private_bytes(process)
        left += children_of(process)
    return threads, memory


def _threads(pid: int) -> list[Path]:
    with suppress(OSError):
        return list(Path(f"/proc/{pid}/task").iterdir())
    return []


def _private_bytes(pid: int) -> int:
    with suppress(OSError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * _PAGE
    return 0
