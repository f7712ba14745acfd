"""Every provider repels every attempt, as root and as an ordinary user; a sandbox that is none does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pydantic
import pytest
from flowwright.operators.sandbox import (
    Attempt,
    Execution,
    Limits,
    SandboxUnavailable,
    Verdict,
    open_sandbox,
    self_check,
)

NOBODY = 65534
REPORT = """
import json, sys
from flowwright.operators.sandbox import SandboxUnavailable, open_sandbox, self_check
try:
    sandbox = open_sandbox(sys.argv[1])
except SandboxUnavailable as reason:
    print(json.dumps(str(reason)))
else:
    print(json.dumps([attempt.model_dump() for attempt in self_check(sandbox)]))
"""


def missed(attempts: list[Attempt]) -> dict[str, str]:
    return {attempt.name: attempt.detail for attempt in attempts if not attempt.passed}


@pytest.fixture(params=["bubblewrap", "namespaces"])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_provider_repels_every_attempt(provider: str) -> None:
    try:
        sandbox = open_sandbox(provider)
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))
    attempts = self_check(sandbox)
    assert missed(attempts) == {}
    assert len({attempt.name for attempt in attempts}) == len(attempts) >= 60


@pytest.fixture(scope="module")
def copy() -> Path:
    """The package where everybody can read it, beside an interpreter and packages that everybody can read."""
    folder = Path(tempfile.mkdtemp(prefix="flowwright-nobody-"))
    folder.chmod(0o755)
    package = Path(sys.modules["flowwright"].__file__ or "").parent
    target = folder / "flowwright" / "operators"
    target.mkdir(parents=True)
    for empty in (target.parent, target):
        (empty / "__init__.py").touch()
    shutil.copy(package / "errors.py", target.parent)
    shutil.copytree(package / "operators" / "sandbox", target / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user; the other tests ran as one")
def test_a_provider_repels_every_attempt_as_an_ordinary_user(provider: str, copy: Path) -> None:
    packages = Path(pydantic.__file__).parents[1]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = shutil.which(version, path="/usr/bin:/usr/local/bin")
    if interpreter is None:
        pytest.skip(f"no {version} that an ordinary user can run")
    ended = subprocess.run(
        [interpreter, "-W", "error", "-c", REPORT, provider],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={"PYTHONPATH": f"{copy}:{packages}", "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named" in ended.stderr or "PermissionError" in ended.stderr:
        pytest.skip(f"the packages cannot be read by an ordinary user: {ended.stderr.splitlines()[-1]}")
    assert ended.stderr == ""
    report = json.loads(ended.stdout)
    if isinstance(report, str):
        pytest.skip(report)
    assert missed([Attempt.model_validate(attempt) for attempt in report]) == {}


class Unprotected:
    """What many an agent does instead of a sandbox: a subprocess, and tests in the same process as the candidate."""

    name = "unprotected"

    def run(self, source: str, *, stdin: str = "", limits: Limits | None = None) -> Execution:
        began = time.monotonic()
        ending = "\nif 'solve' in globals():\n    import json\n    print('VALUE', json.dumps(solve()))\n"
        try:
            ended = self._python(source + ending, stdin)
        except subprocess.TimeoutExpired as late:
            return Execution(status="timeout", stdout="", stderr="", exception=str(late), seconds=12)
        value = json.loads(ended.stdout.rsplit("VALUE", 1)[-1]) if "VALUE" in ended.stdout else None
        status = "ok" if ended.returncode == 0 else "error"
        return Execution(
            status=status, stdout=ended.stdout, stderr=ended.stderr, value=value, seconds=time.monotonic() - began
        )

    def check(
        self, candidate: str, tests: str, *, entry_point: str | None = None, limits: Limits | None = None
    ) -> Verdict:
        ended = self._python(f"{candidate}\n{tests}\ncheck({entry_point})\n", "")
        status = "passed" if ended.returncode == 0 else "failed"
        return Verdict(status=status, asserted=4, failures=[], stdout="", stderr=ended.stderr, seconds=0)

    async def arun(self, source: str, *, stdin: str = "", limits: Limits | None = None) -> Execution:
        return self.run(source, stdin=stdin)

    async def acheck(
        self, candidate: str, tests: str, *, entry_point: str | None = None, limits: Limits | None = None
    ) -> Verdict:
        return self.check(candidate, tests, entry_point=entry_point)

    @staticmethod
    def _python(source: str, stdin: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", source]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=12,
            check=False,
            errors="replace",
            close_fds=False,
        )


def test_a_sandbox_that_is_none_is_found_out() -> None:
    failed = set(missed(self_check(Unprotected())))
    assert not failed & {"honest-program", "honest-solution", "wrong-answer"}
    reached = {
        "account-files",
        "temporary-files",
        "project-files",
        "write-outside",
        "interpreter-files",
        "message-in-a-bottle",
    }
    seen = {"environment", "other-processes", "kill", "trace", "daemon", "background-child", "inherited-descriptors"}
    network = {"tcp", "udp", "abstract-socket", "named-socket", "other-families"}
    wasted = {"fork-bomb", "thread-bomb", "memory", "memory-of-many", "processor", "wall-clock", "stubborn", "large-file",
              "many-files", "open-files", "raise-limits", "flood-stdout", "flood-stderr", "uncounted-memory"}  # fmt: skip
    kernel = {"kernel-interfaces", "become-root"}
    forged = {"leave-early", "leave-at-load", "system-exit", "system-exit-at-load", "builtins", "shadow", "always-equal",
              "subclass", "stop-iteration", "read-the-tests", "exit-functions", "fork"}  # fmt: skip
    assert (reached | seen | network | wasted | kernel | forged) - failed == set()
