"""A host name is looked up once for each connection, every address found is checked, and the connection goes to exactly
what was checked: a name that changes its mind between check and use gains nothing."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from ..outcome import ToolFault
from .address import literal, not_public, public
from .thread import in_thread
from .web import Lookup

PASSING: Final = frozenset({socket.EAI_AGAIN})


def system_lookup(host: str, port: int) -> list[tuple[Any, ...]]:
    """What this machine's resolver says."""
    return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)]


class CheckedResolver(AbstractResolver):
    """Gives aiohttp the addresses of a host, all of them checked, or none."""

    def __init__(self, lookup: Lookup, allow_hosts: frozenset[str]) -> None:
        """Hosts in `allow_hosts` may have any address."""
        self._lookup = lookup
        self._allow_hosts = allow_hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See AbstractResolver. Raises ToolFault."""
        try:
            found = await in_thread(partial(self._lookup, host, port))
        except (OSError, UnicodeError) as fault:
            again = isinstance(fault, socket.gaierror) and fault.errno in PASSING
            raise ToolFault(f"the host {host!r} was not found", retryable=again, fix="Check its name") from None
        results = [_result(host, port, *one) for one in found if one[0] in {socket.AF_INET, socket.AF_INET6}]
        if not results:
            raise ToolFault(f"the host {host!r} has no address", retryable=False, fix="Check its name")
        if host not in self._allow_hosts:
            addresses = [literal(result["host"]) for result in results]
            if not all(address is not None and public(address) for address in addresses):
                raise not_public(host)
        return results

    async def close(self) -> None:
        """Nothing is held."""


def _result(
    host: str, port: int, family: Any, kind: Any, proto: int, name: str, where: tuple[Any, ...]
) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=where[0], port=port, family=family, proto=proto, flags=flags)
