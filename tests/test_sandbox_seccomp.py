"""The system call filter, run step by step as the kernel would, on both machines it knows."""

from __future__ import annotations

import errno
import struct

import pytest
from flowwright.operators.sandbox.seccomp import seccomp_filter

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS = {
    "x86_64": {"clone": 56, "socket": 41, "ptrace": 101, "mount": 165, "read": 0, "execve": 59, "keyctl": 250, "bpf": 321},
    "aarch64": {"clone": 220, "socket": 198, "ptrace": 117, "mount": 40, "read": 63, "execve": 221, "keyctl": 219, "bpf": 280},
}  # fmt: skip
ALLOWED, KILLED = "allowed", "killed"


def outcome(machine: str, number: int, argument: int = 0, audit: int | None = None) -> str | int:
    """What the filter does with one call: allowed, killed, or the error it fails with."""
    call = struct.pack("=iIQ6Q", number, AUDIT[machine] if audit is None else audit, 0, argument, 0, 0, 0, 0, 0)
    program = list(struct.iter_unpack("=HBBI", seccomp_filter(machine) or b""))
    register = at = 0
    while True:
        code, on_true, on_false, value = program[at]
        at += 1
        if code == 0x20:
            register = struct.unpack_from("=I", call, value)[0]
        elif code == 0x06:
            return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}.get(value, value & 0xFFFF)
        else:
            holds = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}[code]
            at += on_true if holds else on_false


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("call", ["ptrace", "mount", "keyctl", "bpf"])
def test_refused_calls_fail_with_eperm(machine: str, call: str) -> None:
    assert outcome(machine, NUMBERS[machine][call]) == errno.EPERM


@pytest.mark.parametrize("call", ["read", "execve"])
def test_ordinary_calls_are_allowed(machine: str, call: str) -> None:
    assert outcome(machine, NUMBERS[machine][call]) == ALLOWED


@pytest.mark.parametrize(
    ("flags", "expected"), [(17, ALLOWED), (0x3D0F00, ALLOWED), (1 << 28, errno.EPERM), (1 << 17, errno.EPERM)]
)
def test_clone_makes_processes_and_threads_but_no_namespaces(machine: str, flags: int, expected: str | int) -> None:
    assert outcome(machine, NUMBERS[machine]["clone"], flags) == expected
    assert outcome(machine, 435) == errno.ENOSYS


def test_only_unix_and_ip_sockets_can_be_made(machine: str) -> None:
    made = [family for family in range(64) if outcome(machine, NUMBERS[machine]["socket"], family) == ALLOWED]
    assert made == [1, 2, 10]
    assert outcome(machine, NUMBERS[machine]["socket"], 40) == errno.EAFNOSUPPORT


def test_calls_under_another_numbering_are_out(machine: str) -> None:
    assert outcome(machine, 0, audit=0x40000003) == KILLED
    assert outcome(machine, 0x40000000) == errno.ENOSYS


def test_a_machine_whose_numbers_are_unknown_has_no_filter() -> None:
    assert seccomp_filter("riscv64") is None
