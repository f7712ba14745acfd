"""A frame is whole or it is not there, and only the process that was given the wire speaks on it: a fork of a program
that comes back into the harness ends instead of answering a second time."""

from __future__ import annotations

import os


class Wire:
    """Frames to and from the host. Outward each is opened by a nonce, which tells it from stray bytes."""

    def __init__(self, incoming: int, outgoing: int, nonce: bytes) -> None:
        """`incoming` and `outgoing` are the pipes' descriptors."""
        self._incoming = incoming
        self._outgoing = outgoing
        self._nonce = nonce
        self.adopt()

    def adopt(self) -> None:
        """Makes the calling process the one that owns the wire."""
        self._owner = os.getpid()

    def receive(self) -> bytes | None:
        """The next frame; None once the host has closed its end."""
        self._leave_if_forked()
        head = self._read(4)
        return None if head is None else self._read(int.from_bytes(head, "big"))

    def send(self, payload: bytes) -> None:
        """Sends one frame. Raises OSError when the pipe is gone."""
        self._leave_if_forked()
        rest = memoryview(self._nonce + len(payload).to_bytes(4, "big") + payload)
        while rest:
            rest = rest[os.write(self._outgoing, rest) :]

    def _read(self, size: int) -> bytes | None:
        parts = []
        while size:
            part = os.read(self._incoming, min(size, 1 << 20))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _leave_if_forked(self) -> None:
        if os.getpid() != self._owner:
            os._exit(0)
