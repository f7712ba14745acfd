"""What a tree of processes uses together: the limits the kernel keeps are for one process or one user each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree_usage(pid: int) -> tuple[int, int]:
    """Number of processes and bytes of private memory of `pid` and all that descend from it. Memory shared with a file
    or among forks through shared mappings does not count."""
    processes = list(_tree(pid))
    return len(processes), sum(map(_private_bytes, processes))


def children_of(pid: int) -> list[int]:
    """The processes that `pid` has started; none, once it has ended."""
    found: list[int] = []
    with suppress(OSError):  # it, or a thread of it, may end at any moment
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    return found


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in children_of(pid):
        yield from _tree(child)


def _private_bytes(pid: int) -> int:
    with suppress(OSError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * _PAGE
    return 0
