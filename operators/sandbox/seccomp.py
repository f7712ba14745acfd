"""No program in a sandbox reaches the parts of the kernel that namespaces do not divide: other processes' memory, keys,
mounts, new namespaces, memory that no limit counts, and address families beyond unix and IP. Refused calls fail with
EPERM, an ordinary error to a program. The filter is classic BPF (seccomp(2)), assembled here and installed inside."""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL_PROCESS, _ERROR, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
_X32_NUMBERS = 0x4000_0000
_NEW_NAMESPACE = 0x7E02_0000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET, AF_INET6. AF_VSOCK in particular reaches a virtual machine's host past any network namespace."""

_REFUSED: dict[str, tuple[int, int]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "fanotify_init": (300, 262),
    "personality": (135, 92),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
}
"""System call numbers on x86_64 and on aarch64."""


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    column: int
    clone: int
    socket: int


_MACHINES = {
    "x86_64": _Machine(audit=0xC000_003E, column=0, clone=56, socket=41),
    "aarch64": _Machine(audit=0xC000_00B7, column=1, clone=220, socket=198),
}
_CLONE3 = 435


def seccomp_filter(machine: str | None = None) -> bytes | None:
    """The filter as an array of `struct sock_filter` for `machine` (None: the one this runs on). None where the system
    call numbers of that machine are not known here."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    program = [
        _step(_LOAD, _MACHINE),
        _step(_EQUAL, known.audit, on_true=1),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER),
        *_fail_when(_step(_AT_LEAST, _X32_NUMBERS, on_false=1), errno.ENOSYS),
        # The flags of clone3 lie in memory, out of a filter's reach; ENOSYS makes every C library use clone.
        *_fail_when(_step(_EQUAL, _CLONE3, on_false=1), errno.ENOSYS),
    ]
    for numbers in _REFUSED.values():
        program += _fail_when(_step(_EQUAL, numbers[known.column], on_false=1), errno.EPERM)
    program += [
        _step(_EQUAL, known.clone, on_false=4),
        _step(_LOAD, _FIRST_ARGUMENT),
        *_fail_when(_step(_ANY_BIT, _NEW_NAMESPACE, on_false=1), errno.EPERM),
        _step(_RETURN, _ALLOW),
        _step(_EQUAL, known.socket, on_false=2 + len(_FAMILIES)),
        _step(_LOAD, _FIRST_ARGUMENT),
        *(_step(_EQUAL, family, on_true=len(_FAMILIES) - place) for place, family in enumerate(_FAMILIES)),
        _step(_RETURN, _ERROR | errno.EAFNOSUPPORT),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _step(code: int, value: int, *, on_true: int = 0, on_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, on_true, on_false, value)


def _fail_when(condition: bytes, error: int) -> list[bytes]:
    return [condition, _step(_RETURN, _ERROR | error)]
