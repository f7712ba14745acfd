"""A sandbox is opened, or refused with the reasons and the fix; which one, is settled once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from flowwright.errors import UsageError
from flowwright.operators.sandbox import Sandbox, SandboxUnavailable, open_sandbox
from flowwright.operators.sandbox.bubblewrap import Bubblewrap

OPEN = """
import sys
from pathlib import Path
from flowwright.operators.sandbox import SandboxUnavailable, open_sandbox
Path("/proc/sys/user/max_user_namespaces").write_text("0")
for name in (None, "bubblewrap", "namespaces"):
    try:
        print("opened", open_sandbox(name).name)
    except SandboxUnavailable as fault:
        print(fault)
"""


def refused(path: str | None) -> list[str]:
    """What opening says where new user namespaces are forbidden, and (None) bwrap is installed or is not on `path`."""
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", OPEN]
    environment = None if path is None else {"PATH": path}
    unshare = subprocess.run(["which", "unshare"], capture_output=True, text=True, check=False).stdout.strip()
    ended = subprocess.run(
        [unshare or "unshare", *command[1:]], capture_output=True, text=True, env=environment, check=False
    )
    if "unshare:" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def test_the_strongest_that_works_is_opened_once() -> None:
    sandbox = open_sandbox()
    assert isinstance(sandbox, Sandbox)
    assert sandbox.name in ("bubblewrap", "namespaces")
    assert open_sandbox() is sandbox


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r"no sandbox provider is called 'docker'\. Choose one of: bubblewrap, namespaces"
    ):
        open_sandbox("docker")


def test_where_none_works_each_reason_and_the_fix_are_told() -> None:
    whole, first, second = refused(path="/nonexistent")
    assert "bubblewrap: bwrap is not installed" in whole
    assert "namespaces: the sandbox could not be set up" in whole
    assert "unshare" in whole
    assert "apt install bubblewrap" in whole
    assert "namespaces:" not in first
    assert "bubblewrap:" not in second


def test_an_installed_bubblewrap_that_cannot_work_is_not_opened() -> None:
    whole, *_ = refused(path=None)
    assert "bubblewrap: the sandbox could not be set up: bwrap:" in whole


def test_bubblewrap_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxUnavailable, match=r"bwrap is not installed\. Run: apt install bubblewrap"):
        Bubblewrap()


def test_unavailable_is_the_callers_to_fix() -> None:
    assert issubclass(SandboxUnavailable, UsageError)
