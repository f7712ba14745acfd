"""Every run is bounded in time, memory, processes and bytes: there is no way to ask for a run without limits."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...errors import UsageError

_MIB = 1 << 20
_OPEN_FILES = 64
_QUEUED_SIGNALS = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. Verdicts use two processes, each under these limits and both under one wall clock."""

    seconds: float = 10.0
    """Wall time, start-up included."""
    cpu_seconds: int = 10
    """Processor time of each process."""
    memory_mb: int = 512
    """MiB of address space of each process, and of private memory of all of them together."""
    processes: int = 16
    """Processes and threads alive at a time."""
    file_mb: int = 16
    """MiB of one file, of all of /tmp together, and of one message between a candidate and its tests."""
    output_kb: int = 64
    """KiB kept of stdout, of stderr and of the value, each. Output past `file_mb` ends the run."""

    def __post_init__(self) -> None:
        """Refuses limits that bound nothing or leave nothing to run in."""
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise UsageError(f"sandbox limit {field.name} is not positive", fix="Give a number greater than zero")

    @property
    def output_bytes(self) -> int:
        """Bytes kept of each output stream."""
        return self.output_kb * 1024

    @property
    def file_bytes(self) -> int:
        """Bytes of the largest file, message or stream."""
        return self.file_mb * _MIB

    @property
    def memory_bytes(self) -> int:
        """Bytes of address space of one process."""
        return self.memory_mb * _MIB

    def as_rlimits(self) -> dict[str, tuple[int, int]]:
        """Soft and hard value by the name `resource` has for it. The processor's soft limit sends SIGXCPU; the hard
        one, a second later, kills what ignored it."""
        return {
            "RLIMIT_CPU": (self.cpu_seconds, self.cpu_seconds + 1),
            "RLIMIT_AS": (self.memory_bytes, self.memory_bytes),
            "RLIMIT_NPROC": (self.processes + 1, self.processes + 1),  # one more waits for the program
            "RLIMIT_FSIZE": (self.file_bytes, self.file_bytes),
            "RLIMIT_NOFILE": (_OPEN_FILES, _OPEN_FILES),
            "RLIMIT_SIGPENDING": (_QUEUED_SIGNALS, _QUEUED_SIGNALS),
            "RLIMIT_CORE": (0, 0),
            "RLIMIT_MEMLOCK": (0, 0),
            "RLIMIT_MSGQUEUE": (0, 0),
        }


DEFAULT_LIMITS = Limits()
"""What a run may use when its caller does not say."""
