"""What the host tells a stage to do. Only types, so that neither side imports the other's code."""

from __future__ import annotations

from typing_extensions import TypedDict


class Confinement(TypedDict):
    """What the process gives up before it is given a program."""

    uid: int | None
    """User and group to become for good; None: the process is an unprivileged one already."""
    rlimits: dict[str, tuple[int, int]]
    """Soft and hard value by the name `resource` has for it."""
    seccomp: bytes
    """The system call filter."""


class World(TypedDict):
    """What a file system of our own making holds, and how it may be made."""

    own_user: bool
    """Whether the process is root and will become a user of its own; if not, it needs a user namespace."""
    readable: list[str]
    """Directories and files of the host, shown read-only."""
    links: list[tuple[str, str]]
    """Symbolic links: path and target."""
    hidden: list[str]
    """Directories inside the readable ones, shown empty."""
    devices: list[str]
    """Devices of the host."""
    scratch_bytes: int
    """Size of /tmp."""


class Trial(TypedDict):
    """How candidate and tests meet."""

    entry_point: str | None
    """The function `check` is called with; None: the tests call functions by name alone."""
