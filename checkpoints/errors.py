"""Every failure of a store of runs says which file it concerns and what its owner can do."""

from __future__ import annotations

import sqlite3

from ..errors import FlowwrightError, UsageError


class SaverClosedError(UsageError):
    """A saver was used after `close()`, or closed while the caller still waited for room in its queue."""

    def __init__(self, name: str) -> None:
        """`name` is the file, or `memory:`."""
        super().__init__(f"the checkpointer of {name} is closed", fix="Open it again with open_checkpointer")


class ForkedSaverError(UsageError):
    """A saver was used in a process other than the one that opened it; its writer thread does not exist here."""

    def __init__(self, name: str) -> None:
        """`name` is the file."""
        super().__init__(
            f"the checkpointer of {name} was opened before this process was forked",
            fix="Open one with open_checkpointer in each process",
        )


class DatabaseLockedError(UsageError):
    """Another process held the file's write lock for longer than the busy time-out. Nothing was written."""

    def __init__(self, name: str, seconds: float) -> None:
        """`seconds` is how long the lock was waited for."""
        super().__init__(
            f"{name} is locked by another process for more than {seconds:g} s",
            fix="Let that process finish, raise busy_timeout, or give each worker its own file",
        )


class WriterStoppedError(FlowwrightError):
    """The writer thread ended by an internal error; the write was not acknowledged and may or may not be stored."""

    def __init__(self, name: str) -> None:
        """`name` is the file; the cause is printed by the thread that stopped."""
        super().__init__(f"the writer of {name} stopped before this write was durable", fix="Open the file again")


class DamagedRecordError(FlowwrightError):
    """A journal record does not unpack to what was recorded: the file was changed by something else."""


def is_lock(error: sqlite3.Error) -> bool:
    """Whether `error` means that somebody else holds a lock, as opposed to something wrong with file or statement."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def primary_code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None for errors that Python itself raises (a wrong number of bindings)."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
