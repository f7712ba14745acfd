"""Whatever the file system shows, only what is listed can be opened: a second lock, independent of mounts, that also
forbids every later change of mounts. Landlock, Linux 5.13 and later; newer kernels lock TCP, signals and abstract
sockets as well (landlock(7))."""

from __future__ import annotations

import ctypes
import os
import stat
import struct

from .syscalls import check, libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_ASK_VERSION, _BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_FILE_SYSTEM = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights over files, by the first version that has them."""
_TCP = 0b11
_SCOPES = 0b11
_TCP_SINCE, _SCOPES_SINCE = 4, 6


def restrict(readable: Sequence[str], writable: Sequence[str], devices: Sequence[str]) -> None:
    """Confines the calling process for good. Raises OSError where the kernel has no Landlock."""
    version = check(libc.syscall(_CREATE, None, ctypes.c_size_t(0), _ASK_VERSION), "landlock")
    rights = max(mask for since, mask in _FILE_SYSTEM.items() if since <= version)
    ruleset = _ruleset(version, rights)
    for paths, allowed in ((readable, _READ), (writable, rights), (devices, _READ_FILE | _WRITE_FILE)):
        for path in paths:
            _allow(ruleset, path, allowed & rights)
    check(libc.syscall(_RESTRICT, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _ruleset(version: int, rights: int) -> int:
    handled = struct.pack("=Q", rights)
    if version >= _TCP_SINCE:
        handled += struct.pack("=Q", _TCP)
    if version >= _SCOPES_SINCE:
        handled += struct.pack("=Q", _SCOPES)
    return check(libc.syscall(_CREATE, handled, ctypes.c_size_t(len(handled)), 0), "landlock_create_ruleset")


def _allow(ruleset: int, path: str, allowed: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            allowed &= _FILE_RIGHTS
        rule = struct.pack("=Qi", allowed, place)
        check(libc.syscall(_ADD_RULE, ruleset, _BENEATH, rule, 0), f"landlock_add_rule {path}")
    finally:
        os.close(place)
