"""One HTTP client for all calls of a policy, from any event loop, one after the other or at once.

Invariant: a connection is used only in the loop that opened it, and is closed before that loop is. Each loop's
connections live in an asynchronous generator of that loop, which `asyncio.run` finalizes on its way out, so a second
`asyncio.run` never meets a connection of the first.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable
from importlib.util import find_spec

import httpx2

CONNECT_SECONDS = 10.0


def time_limits(seconds: float) -> httpx2.Timeout:
    """The client's time-out: `seconds` without a byte (waiting for a whole answer when not streaming)."""
    return httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))


def async_client() -> httpx2.AsyncClient:
    """A client for `ChatOpenAI(http_async_client=…)`: over aiohttp where it is installed (5.8 -> 3.6 ms of CPU a call,
    and no scan of the connection pool), else over httpx2's own transport. Proxy variables of the environment are
    honoured with aiohttp."""
    return httpx2.AsyncClient(transport=PerLoopTransport(_open))


def _open() -> httpx2.AsyncBaseTransport:
    if find_spec("aiohttp") is None:
        return pooled()
    from .aiohttp_transport import AiohttpTransport

    return AiohttpTransport()


def pooled() -> httpx2.AsyncHTTPTransport:
    """httpx2's own transport, with as many connections as there are calls: the budget limits calls."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=15.0)
    return httpx2.AsyncHTTPTransport(limits=limits)


_Lives = dict[asyncio.AbstractEventLoop, tuple[httpx2.AsyncBaseTransport, AsyncGenerator[None]]]


class PerLoopTransport(httpx2.AsyncBaseTransport):
    """A transport of `open_transport`'s kind for each running event loop."""

    def __init__(self, open_transport: Callable[[], httpx2.AsyncBaseTransport]) -> None:
        """`open_transport` is called inside each loop, at its first request."""
        self._open = open_transport
        self._lives: _Lives = {}
        weakref.finalize(self, _close_all, self._lives).atexit = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends `request` over the running loop's own connections."""
        loop = asyncio.get_running_loop()
        if loop not in self._lives:
            await self._begin(loop)
        return await self._lives[loop][0].handle_async_request(request)

    async def aclose(self) -> None:
        """Closes the running loop's connections; those of other loops end with their loops."""
        open_here = self._lives.get(asyncio.get_running_loop())
        if open_here is not None:
            await open_here[1].aclose()

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        for dead in [other for other in self._lives if other.is_closed()]:
            self._lives.pop(dead, None)  # closed by hand, without finalizing its generators
        transport = self._open()
        life = _life(self._lives, loop, transport)
        self._lives[loop] = (transport, life)
        await anext(life)


async def _life(
    lives: _Lives, loop: asyncio.AbstractEventLoop, transport: httpx2.AsyncBaseTransport
) -> AsyncGenerator[None]:
    """Suspended while the loop lives; finalizing it closes the transport."""
    try:
        async with transport:
            yield
    finally:
        lives.pop(loop, None)


def _close_all(lives: _Lives) -> None:
    """Closes in their own loops the connections of a transport that is no longer used."""
    for loop, (_, life) in list(lives.items()):
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(_end(life), loop)


async def _end(life: AsyncGenerator[None]) -> None:
    await life.aclose()
