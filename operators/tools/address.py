"""No address of a private, local or special network is ever connected to, however it is written or embedded: an address
is public only if every IPv4 address inside it is public too."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from ..outcome import ToolFault

NOT_PUBLIC: Final = tuple(
    IPv4Network(network) if "." in network else IPv6Network(network)
    for network in (
        "168.63.129.16/32",  # a cloud's host service, at an address that is otherwise public
        "192.0.0.0/24",
        "192.88.99.0/24",
        "240.0.0.0/4",
        "::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
"""Special networks (RFC 6890 and its registries) that `ipaddress` takes for public ones in some Python versions, and
tunnels into IPv4."""
TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""IPv4 addresses as a network without IPv4 writes them (RFC 6052)."""
_NUMERIC: Final = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)\.?", re.ASCII | re.DOTALL)


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is, in its usual spelling; None: it is a name, or no address at all."""
    try:
        return ip_address(host.split("%", 1)[0])
    except ValueError:
        return None


def disguised(host: str) -> bool:
    """Whether `host` is a number in another spelling than the usual one: decimal, octal, hexadecimal, shortened. A name
    whose last label is a number is no name (WHATWG URL, 3.5)."""
    return literal(host) is None and _NUMERIC.fullmatch(host) is not None


def public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address belongs to the public internet and to a single host."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address.is_site_local:
            return False
        if address.ipv4_mapped is not None:
            return public(address.ipv4_mapped)
        if address in TRANSLATED:
            return public(IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address.version == network.version and address in network for network in NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_unspecified or address.is_reserved)


def check_host(host: str, allow_hosts: frozenset[str]) -> None:
    """Raises ToolFault for a host that is written as an address and is not public, and for one that hides that it is an
    address. Names are checked when they are looked up."""
    if host in allow_hosts:
        return
    if disguised(host):
        raise ToolFault(f"the host {host!r} is a number in disguise", retryable=False, fix="Give the host's name")
    address = literal(host)
    if address is not None and not public(address):
        raise not_public(host)


def not_public(host: str) -> ToolFault:
    """The fault of a host that is not to be connected to."""
    return ToolFault(f"the host {host!r} is not on the public internet", retryable=False, fix="Give a public address")
