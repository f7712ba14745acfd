"""A location names one store of runs, or is refused with what would be accepted. Nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

ACCEPTED = "Write sqlite:///runs.db (relative), sqlite:////var/runs.db (absolute) or memory:"


@dataclass(frozen=True)
class Location:
    """Where runs live. `path` None: in memory."""

    path: Path | None

    @classmethod
    def parse(cls, url: str) -> Location:
        """The location that `url` names. Raises UsageError for everything but `sqlite:///PATH` and `memory:`."""
        scheme, colon, rest = url.partition(":")
        if not colon or not scheme:
            raise UsageError(f"{url!r} is not a checkpointer URL", fix=ACCEPTED)
        if scheme in ("postgres", "postgresql"):
            raise UsageError("PostgreSQL is not offered yet as a checkpointer", fix=ACCEPTED)
        if scheme == "memory" and not rest.strip("/"):
            return cls(None)
        if scheme == "sqlite":
            return cls(_path(url, rest))
        raise UsageError(f"{url!r} is not a known kind of checkpointer", fix=ACCEPTED)


def _path(url: str, rest: str) -> Path:
    name = rest.removeprefix("///")
    if name == rest or not name.strip():
        raise UsageError(f"{url!r} names no file", fix=ACCEPTED)
    if name == ":memory:":
        raise UsageError(f"{url!r} would be a file named :memory:", fix="Write memory: to keep runs in memory")
    if "?" in name or "\0" in name:
        raise UsageError(f"{url!r} has a '?' or NUL in it", fix="Pass options to open_checkpointer instead")
    return Path(name).expanduser()
