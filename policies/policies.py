"""Who decides what: one policy for each role, named by the caller, checked before anything runs.

Invariant: roles that name the same model share one policy object, so one HTTP client and one price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from langchain_core.language_models import BaseChatModel

from .address import Address
from .policy import Policy
from .price import Price
from .resolve import resolve

Role = Literal["designer", "executor", "verifier", "generator", "summarizer"]
ROLES: tuple[Role, ...] = ("designer", "executor", "verifier", "generator", "summarizer")


@dataclass(frozen=True)
class Policies:
    """The models of a run, by role: an address (see `resolve.py`), a chat model, or None where the system's own
    fallback for that role applies."""

    designer: str | BaseChatModel | None = None
    executor: str | BaseChatModel | None = None
    verifier: str | BaseChatModel | None = None
    generator: str | BaseChatModel | None = None
    summarizer: str | BaseChatModel | None = None
    prices: Mapping[str, Price] | None = None
    """USD per million tokens (in, out) by model name; wins over the shipped table. None: the table alone."""
    timeout: float = 300.0
    """Seconds a model server may be silent before a call counts as timed out."""

    def __post_init__(self) -> None:
        """Refuses what is not an address at once, so that a bad one is never printed or stored."""
        for role in ROLES:
            if isinstance(given := getattr(self, role), str):
                Address.parse(given)

    def resolve(self) -> dict[str, Policy]:
        """The policies by role; a role left None is absent. Makes no network call. Raises UsageError."""
        resolved: dict[str, Policy] = {}
        shared: dict[object, Policy] = {}
        for role in ROLES:
            given = getattr(self, role)
            if given is None:
                continue
            same = _identity(given, role)
            if same not in shared:
                shared[same] = resolve(given, role=role, prices=self.prices, timeout=self.timeout)
            resolved[role] = shared[same]
        return resolved


def _identity(given: str | BaseChatModel, role: Role) -> object:
    """What two roles must have in common to share a policy. Offline rules differ between designer and the others."""
    if not isinstance(given, str):
        return id(given)
    address = Address.parse(given)
    return (address, role == "designer") if address.scheme == "offline" else address
