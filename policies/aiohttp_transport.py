"""httpx2 requests over an aiohttp session: the same bytes, the same time-outs, the same typed errors, less CPU.

Invariant: nothing of aiohttp is visible outside. Its errors arrive as their httpx2 counterparts, so callers and the
OpenAI SDK need not know which transport carried a request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx2
from yarl import URL

_ERRORS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (TimeoutError, httpx2.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (aiohttp.ClientError, httpx2.ReadError),
    (ConnectionError, httpx2.ReadError),
)
"""First match wins; aiohttp's time-outs are its client errors too."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Belongs to the loop in which it was made. Connections are not limited in number: the budget limits calls."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=True,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends `request`; the body of the response is read as it is asked for."""
        with _typed(request):
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=await request.aread(),
                timeout=_timeout(request),
                allow_redirects=False,
            )
        return httpx2.Response(
            response.status,
            headers=list(response.headers.items()),
            stream=_Body(response, request),
            request=request,
        )

    async def aclose(self) -> None:
        """Closes every connection of the session."""
        await self._session.close()


class _Body(httpx2.AsyncByteStream):
    """A response body, read as it is asked for."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _typed(self._request):
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        """Gives the connection back if the body was read to its end, else closes it."""
        self._response.release()


def _timeout(request: httpx2.Request) -> aiohttp.ClientTimeout:
    """httpx2's limits (seconds; absent or None: no limit) as aiohttp's."""
    limits = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(
        total=None,
        connect=limits.get("pool"),
        sock_connect=limits.get("connect"),
        sock_read=limits.get("read"),
    )


@contextmanager
def _typed(request: httpx2.Request) -> Iterator[None]:
    try:
        yield
    except tuple(kind for kind, _ in _ERRORS) as error:
        typed = next(new for kind, new in _ERRORS if isinstance(error, kind))
        raise typed(str(error) or type(error).__name__, request=request) from error
