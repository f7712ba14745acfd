"""Every request, and every redirect anew, goes to a host that was checked, by the address that was checked, and no more
of a body is ever held than the limit, however far it expands."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from yarl import URL

from ..outcome import ToolFault
from .address import check_host
from .resolution import CheckedResolver, system_lookup
from .web import Reply, Web

BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
MOVED: Final = frozenset({301, 302, 303, 307, 308})
HEADERS: Final = {"User-Agent": "flowwright (an agent framework)", "Accept-Encoding": "gzip, deflate"}
LONGEST_URL: Final = 2_000
SHOWN: Final = 200
"""Characters of a URL in a message."""
COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})


async def download(web: Web, url: str, headers: dict[str, str]) -> Reply:
    """See Web.get."""
    try:
        async with asyncio.timeout(web.seconds), _session(web) as session:
            return await _followed(web, session, checked(web, url), headers)
    except TimeoutError:
        raise ToolFault(f"{url[:SHOWN]} gave no answer within {web.seconds:g} s", retryable=True) from None
    except (aiohttp.ClientSSLError, ssl.SSLError) as fault:
        raise ToolFault(f"{url[:SHOWN]} has no valid certificate: {_line(fault)}", retryable=False) from None
    except (aiohttp.ClientError, OSError) as fault:
        raise ToolFault(f"{url[:SHOWN]} cannot be read: {_line(fault)}", retryable=True) from None


def checked(web: Web, url: str, base: URL | None = None) -> URL:
    """The URL, relative to `base` where there is one. Raises ToolFault for one that may not be asked for. Names are
    checked when they are looked up."""
    try:
        asked = URL(url) if len(url) <= LONGEST_URL else URL()
        asked = asked if base is None else base.join(asked)
    except ValueError:
        asked = URL()
    host = asked.raw_host
    if asked.scheme not in {"http", "https"} or not host:
        raise ToolFault(
            f"{url[:SHOWN]!r} is no web address", retryable=False, fix="Give a URL with http:// or https://"
        )
    if asked.raw_user is not None or asked.raw_password is not None:
        raise ToolFault(f"the URL for {host} has credentials", retryable=False, fix="Leave them out")
    check_host(host, web.allow_hosts)
    if host not in web.allow_hosts and asked.port not in web.ports:
        ports = " or ".join(map(str, sorted(web.ports)))
        raise ToolFault(f"port {asked.port} of {host} is refused", retryable=False, fix=f"Use port {ports}")
    return asked


@asynccontextmanager
async def _session(web: Web) -> AsyncIterator[aiohttp.ClientSession]:
    resolver = CheckedResolver(web.lookup or system_lookup, web.allow_hosts)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers=HEADERS,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=web.seconds),
    ) as session:
        yield session


async def _followed(web: Web, session: aiohttp.ClientSession, url: URL, headers: dict[str, str]) -> Reply:
    for _ in range(web.redirects + 1):
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            location = response.headers.get("Location")
            if response.status not in MOVED or location is None:
                return await _reply(response, web.most_bytes)
        target = checked(web, location, url)
        headers = headers if target.origin() == url.origin() else {}
        url = target
    raise ToolFault(f"{str(url)[:SHOWN]} redirects more than {web.redirects} times", retryable=False)


async def _reply(response: aiohttp.ClientResponse, most: int) -> Reply:
    if response.status != 200:
        message = f"{str(response.url)[:SHOWN]} answered with status {response.status}"
        raise ToolFault(message, retryable=response.status in BUSY)
    body = bytearray()
    async for part in _decompressed(response, most + 1):
        body += part
        if len(body) > most:
            break
    typed = "Content-Type" in response.headers
    return Reply(
        url=str(response.url),
        content_type=response.content_type.lower() if typed else "",
        charset=response.charset if typed else None,
        body=bytes(body[:most]),
        truncated=len(body) > most,
    )


async def _decompressed(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    """The body in parts, none longer than `most`. A part that reaches `most` may not be all there is."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", *COMPRESSED}:
        raise ToolFault(f"the page is compressed with {encoding[:40]!r}, which was not asked for", retryable=False)
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        async for part in response.content.iter_chunked(1 << 16):
            yield inflate.decompress(part, most) if encoding in COMPRESSED else part[:most]
    except zlib.error as fault:
        raise ToolFault(f"the page is not compressed as it says: {fault}", retryable=False) from None


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:SHOWN] or type(fault).__name__
