"""Opening a sandbox either gives one that has just run a program here, or says what was tried, why it failed and what
to do. What works is a fact of the machine, so it is found out once per process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ...errors import UsageError
from .bubblewrap import Bubblewrap
from .namespaces import Namespaces
from .protocol import Sandbox, SandboxUnavailable
from .provider import Provider

PROVIDERS: dict[str, Callable[[], Provider]] = {"bubblewrap": Bubblewrap, "namespaces": Namespaces}
"""The providers, the strongest first."""

_FIX = "Run: apt install bubblewrap; and allow user namespaces (sysctl user.max_user_namespaces) or run as root"
_PROBE = "def solve():\n    return 6 * 7\n"


def open_sandbox(name: str | None = None) -> Sandbox:
    """The provider called `name`, or (None) the strongest that works here. Raises UsageError for a name that is none,
    and SandboxUnavailable where no sandbox can be had; there is no unprotected one to fall back to."""
    if name is not None and name not in PROVIDERS:
        raise UsageError(f"no sandbox provider is called {name!r}", fix=f"Choose one of: {', '.join(PROVIDERS)}")
    return _opened(tuple(PROVIDERS) if name is None else (name,))


@cache
def _opened(names: tuple[str, ...]) -> Sandbox:
    reasons = []
    for name in names:
        try:
            provider = PROVIDERS[name]()
            probe = provider.run(_PROBE)
        except (SandboxUnavailable, OSError) as fault:
            reasons.append(f"{name}: {getattr(fault, 'message', fault)}")
            continue
        if probe.value == 6 * 7:
            return provider
        reasons.append(f"{name}: {probe.exception}")
    raise SandboxUnavailable(f"no sandbox works here ({'; '.join(reasons)})", fix=_FIX)
