"""However long a stream is, no more of it than the limit is ever held."""

from __future__ import annotations


class Kept:
    """The first bytes of a stream, and how long the stream is."""

    def __init__(self, limit: int) -> None:
        """Keeps `limit` bytes."""
        self._limit = limit
        self._data = bytearray()
        self.length = 0
        """Bytes seen."""

    def add(self, part: bytes) -> None:
        """The next bytes of the stream."""
        self._data += part[: self._limit - len(self._data)]
        self.length += len(part)

    @property
    def truncated(self) -> bool:
        """Whether the stream is longer than what was kept."""
        return self.length > len(self._data)

    @property
    def text(self) -> str:
        """What was kept."""
        return self._data.decode("utf-8", "replace")
