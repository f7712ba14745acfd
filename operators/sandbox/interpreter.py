"""A sandbox shows a Python interpreter, its standard library and the system's shared libraries, read-only and at the
paths they have outside, and nothing else of the host: no installed package, no project, no configuration."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
_INSTALLED = ("/usr/lib/python3/dist-packages",)

OPTIONS = ("-I", "-S", "-B", "-u", "-X", "utf8")
"""Isolated, without site-packages, writing no bytecode, unbuffered (so that what was printed before a kill is kept)."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
"""The devices a sandbox has."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter that runs this process, as a sandbox shows it."""

    executable: str
    """Its binary: no wrapper, link or virtual environment."""
    readable: tuple[str, ...]
    """Directories and files shown, none inside another."""
    links: tuple[tuple[str, str], ...]
    """Links (path, target) to make, where the host's library directories are links."""
    hidden: tuple[str, ...]
    """Directories of installed packages inside the readable ones, shown empty."""

    @classmethod
    def running(cls) -> Interpreter:
        """The base of the interpreter that runs this process."""
        return _running()

    @property
    def command(self) -> tuple[str, ...]:
        """The start of a command line that runs a fresh one."""
        return (self.executable, *OPTIONS)


@cache
def _running() -> Interpreter:
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    prefix = Path(sys.base_prefix)
    wanted = [Path(path) for path in _LIBRARIES]
    links = tuple((str(path), str(path.readlink())) for path in wanted if path.is_symlink())
    wanted += [prefix / "lib", prefix / sys.platlibdir, Path(sysconfig.get_path("stdlib")), Path(executable)]
    present = [path for path in dict.fromkeys(wanted) if path.exists() and not path.is_symlink()]
    readable = [path for path in present if not any(other in path.parents for other in present)]
    scheme = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    packages = {sysconfig.get_path(key, "posix_prefix", scheme) for key in ("purelib", "platlib")} | {*_INSTALLED}
    hidden = sorted(path for path in packages if Path(path).is_dir())
    return Interpreter(executable, tuple(map(str, readable)), links, tuple(hidden))
