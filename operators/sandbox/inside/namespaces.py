"""From here on the process is the first of a process namespace, sees a file system of its own making, and nothing of
the host's: no other process, network, message queue or host name. The process it was waits outside for its end."""

# `pathlib` takes as long to import as the interpreter takes to start.
# ruff: noqa: PTH102, PTH103, PTH106, PTH112, PTH120, PTH123, PTH211

from __future__ import annotations

import ctypes
import os
import struct

from . import landlock
from .supervision import die_with_parent, wait_for
from .syscalls import check, libc
from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .jobs import World

_NEW_USER, _NEW_REST = 0x1000_0000, 0x6E02_0000
"""CLONE_NEWUSER; and NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID, NEWNET."""
_NOSUID, _NODEV, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 4096, 16384, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _HERE, _AT_RECURSIVE = 442, -100, 0x8000
_READ_ONLY_NO_SUID = 1 | 2
_OLD = ".host"
_INSIDE_ID = 65534
_INODES = 8192


def main(wire: Wire, job: World) -> None:
    """Returns in the first process of the new namespaces only."""
    die_with_parent()
    _leave_namespaces(job["own_user"])
    child = os.fork()
    if child:
        wait_for(child)
    wire.adopt()
    die_with_parent()
    _build_root(job)
    landlock.restrict(job["readable"], ["/tmp"], job["devices"])


def _leave_namespaces(own_user: bool) -> None:
    user, group = os.geteuid(), os.getegid()
    check(libc.unshare(_NEW_REST | (0 if own_user else _NEW_USER)), "unshare")
    if not own_user:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{_INSIDE_ID} {user} 1")
        _write("/proc/self/gid_map", f"{_INSIDE_ID} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _build_root(job: World) -> None:
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    os.chdir("/tmp")
    os.mkdir(_OLD)
    check(libc.pivot_root(b".", _OLD.encode()), "pivot_root")
    os.chdir("/")
    for path in job["readable"]:
        _show(path)
        _read_only(path, recursive=True)
    for path in job["hidden"]:
        _mount("tmpfs", path, "tmpfs", _NOSUID | _NODEV, "size=4k,mode=755")
        _read_only(path)
    for path, target in job["links"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
    for path in job["devices"]:
        _show(path)
    os.mkdir("/tmp")
    _mount("tmpfs", "/tmp", "tmpfs", _NOSUID | _NODEV, f"size={job['scratch_bytes']},nr_inodes={_INODES},mode=1777")
    check(libc.umount2(_OLD.encode(), _DETACH), "umount2")
    os.rmdir(_OLD)
    _read_only("/")


def _show(path: str) -> None:
    source = f"/{_OLD}{path}"
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT))
    _mount(source, path, None, _BIND | _RECURSIVE)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    text = [None if part is None else part.encode() for part in (source, target, kind, options)]
    check(libc.mount(text[0], text[1], text[2], ctypes.c_ulong(flags), text[3]), f"mount {target}")


def _read_only(path: str, *, recursive: bool = False) -> None:
    attributes = struct.pack("=QQQQ", _READ_ONLY_NO_SUID, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    result = libc.syscall(_MOUNT_SETATTR, _HERE, path.encode(), flags, attributes, ctypes.c_size_t(len(attributes)))
    check(result, f"mount_setattr {path}")
