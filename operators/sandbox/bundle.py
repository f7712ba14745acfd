"""What runs inside a sandbox is sent there compiled: no path of the host leads to it, and its text is never an argument
of a process."""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import CodeType
from typing import Any

_MODULES = {
    "confine": ("wire", "syscalls", "supervision", "privileges", "confine"),
    "namespaces": ("wire", "syscalls", "supervision", "landlock", "namespaces"),
    "program": ("wire", "codec", "program"),
    "candidate": ("wire", "codec", "program", "candidate"),
    "judge": ("wire", "codec", "program", "assertions", "proxy", "judge"),
}
"""The modules each stage needs, each after those it imports."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing done inside a sandbox: the `main` of one of our modules, with its job."""

    name: str
    job: Any = None
    """Data that `marshal` knows; None: the stage needs none."""


def boot() -> str:
    """The program that receives a bundle, as text for `python -c`."""
    return _text("boot")


def bundle(stages: list[Stage], nonce: bytes) -> bytes:
    """The stages, their modules, and the nonce that marks what they send back."""
    names = dict.fromkeys(name for stage in stages for name in _MODULES[stage.name])
    modules = [(name, _compiled(name)) for name in names]
    return marshal.dumps((nonce, modules, [(stage.name, stage.job) for stage in stages]))


@cache
def _text(name: str) -> str:
    return (files(__package__) / "inside" / f"{name}.py").read_text(encoding="utf-8")


@cache
def _compiled(name: str) -> CodeType:
    return compile(_text(name), f"<flowwright.{name}>", "exec", dont_inherit=True, optimize=2)
