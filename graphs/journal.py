"""A call that the journal acknowledged is never made again: not after a kill, not in a fork that shares it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Journal(Protocol):
    """Durable results of finished calls by idempotency key. Flowwright's savers are journals; a foreign saver need
    not be one, and then only what its checkpoints hold survives a kill."""

    def recall(self, key: str) -> bytes | None:
        """The recorded result; None when the call was never acknowledged."""
        ...

    def record(self, key: str, value: bytes) -> None:
        """Store a result; returns once it is durable. The first value of a key stays."""
        ...

    async def arecord(self, key: str, value: bytes) -> None:
        """`record` for coroutines."""
        ...


class NoJournal:
    """The journal of a graph without one: remembers nothing."""

    def recall(self, key: str) -> bytes | None:
        """Always None."""
        return None

    def record(self, key: str, value: bytes) -> None:
        """Does nothing."""

    async def arecord(self, key: str, value: bytes) -> None:
        """Does nothing."""
