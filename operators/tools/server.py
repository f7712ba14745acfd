"""One MCP server has one session, opened when it is first needed and held until it is lost; a call that loses it says
so, and the next call opens another. All of it lives on one event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_core.tools import ToolException

from .failure import leaves, may_pass

if TYPE_CHECKING:
    from langchain_mcp_adapters.sessions import Connection
    from mcp import ClientSession
    from mcp.types import CallToolResult

TIMED_OUT: Final = 408
"""Code of the client's own time limit, where a connection sets one."""
LOST: Final = frozenset({-32000, 32600})
"""Codes for a closed connection, and for a session that the server does not know any more."""


@dataclass(frozen=True)
class Held:
    """A session and the task that keeps it open: the protocol's contexts must end in the task that began them."""

    opened: asyncio.Future[ClientSession]
    release: asyncio.Event
    task: asyncio.Task[None]


class Server:
    """The client's side of one server."""

    def __init__(self, name: str, connection: Connection, start_timeout: float) -> None:
        """`start_timeout`: seconds until a session is open, which for stdio includes the start of the process."""
        self.name, self.connection, self.start_timeout = name, connection, start_timeout
        self._held: Held | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def session(self) -> ClientSession:
        """The session. Raises whatever the transport does if none can be opened, TimeoutError after `start_timeout`."""
        return await self._opened(self._hold())

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """What the server answers. Raises ToolException where it refuses, TimeoutError and ConnectionError where the
        same call may succeed later."""
        held = self._hold()
        request: asyncio.Task[CallToolResult] | None = None
        try:
            request = asyncio.create_task((await self._opened(held)).call_tool(tool, arguments))
            await asyncio.wait({request, held.task}, return_when=asyncio.FIRST_COMPLETED)
            if not request.done():
                raise ConnectionError("the session ended during the call")
            return request.result()
        except Exception as error:
            raise self._typed(error, held) from error
        finally:
            if request is not None:
                request.cancel()

    async def close(self) -> None:
        """Ends the session, and the process behind it where there is one."""
        if self._held is not None:
            self._let_go(self._held)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _hold(self) -> Held:
        """The session at hand, or a new one where there is none or it has ended."""
        if self._held is None or self._held.task.done():
            opened: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
            release = asyncio.Event()
            task = asyncio.create_task(self._keep(opened, release))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._held = Held(opened, release, task)
        return self._held

    async def _opened(self, held: Held) -> ClientSession:
        either: set[asyncio.Future[Any]] = {held.opened, held.task}
        async with asyncio.timeout(self.start_timeout):
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not held.opened.done():
            raise ConnectionError("the session ended before it was open")
        return held.opened.result()

    async def _keep(self, opened: asyncio.Future[ClientSession], release: asyncio.Event) -> None:
        from langchain_mcp_adapters.client import MultiServerMCPClient

        try:
            async with MultiServerMCPClient({self.name: self.connection}).session(self.name) as session:
                opened.set_result(session)
                await release.wait()
        except Exception as error:  # noqa: BLE001 -- transports raise groups of anything; told to whoever waits
            if not opened.done():
                opened.set_exception(error)
                opened.exception()  # told, even if all who waited have gone

    def _let_go(self, held: Held) -> None:
        held.release.set()
        if not held.opened.done():
            held.task.cancel()
        if self._held is held:
            self._held = None

    def _typed(self, error: Exception, held: Held) -> Exception:
        """The error in Python's own words; a lost session is let go."""
        from mcp import McpError

        first = leaves(error)[0]
        code = first.error.code if isinstance(first, McpError) else None
        if code == TIMED_OUT:
            return TimeoutError(str(first))
        if code in LOST or (code is None and may_pass(error)):
            self._let_go(held)
            return ConnectionError(f"the connection to the MCP server {self.name} was lost")
        return error if code is None else ToolException(str(first))
