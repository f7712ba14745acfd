"""Sessions with MCP servers live on one event loop of their own, in one thread, so that a call reaches them from any
loop and any thread, and they end together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from langchain_core.tools import BaseTool

from ...errors import UsageError
from ..outcome import ToolFault
from .failure import fault_of
from .server import Server

if TYPE_CHECKING:
    from langchain_mcp_adapters.sessions import Connection
    from mcp.types import CallToolResult

EXTRA: Final = "Install flowwright[mcp]"
Listed = list[tuple[Server, BaseTool]]


class Servers:
    """The servers of one block and the loop they live on."""

    def __init__(self, connections: Mapping[str, Connection], start_timeout: float) -> None:
        """Nothing is opened before `start`. `start_timeout` is in seconds, for each server."""
        self._servers = [Server(name, each, start_timeout) for name, each in connections.items()]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self.tools: Future[Listed] = Future()
        """The tools of every server, or a UsageError that names each server that could not be opened."""
        self.ended: Future[None] = Future()
        """Done when every session is closed and every process has ended."""

    def start(self) -> None:
        """Opens the sessions, in the background. Raises UsageError the second time."""
        if self._loop is not None:
            raise UsageError("these sessions have been opened before", fix="Call mcp_operators for each block")
        self._loop = asyncio.new_event_loop()
        Thread(target=self._run, args=(self._loop,), name="flowwright-mcp", daemon=True).start()

    def end(self) -> None:
        """Asks for the end, in the background."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._stop.set)

    async def call(self, server: Server, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """`server.call`, from whatever loop this is. Raises ToolFault once the sessions are closed."""
        assert self._loop is not None, "tools are known once the sessions are open"
        call = server.call(tool, arguments)
        try:
            future = asyncio.run_coroutine_threadsafe(call, self._loop)
        except RuntimeError as error:
            call.close()
            raise _closed(server) from error
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise _closed(server) from error

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._live())
        except BaseException as error:  # noqa: BLE001 -- raised again where the block is opened
            if not self.tools.done():
                self.tools.set_exception(error)
        finally:
            self.ended.set_result(None)

    async def _live(self) -> None:
        stop, listing = asyncio.create_task(self._stop.wait()), asyncio.create_task(self._listed())
        try:
            await asyncio.wait({stop, listing}, return_when=asyncio.FIRST_COMPLETED)
            if listing.done():
                self.tools.set_result(listing.result())
                await stop
        finally:
            listing.cancel()
            await asyncio.gather(*(server.close() for server in self._servers))

    async def _listed(self) -> Listed:
        try:
            from langchain_mcp_adapters.tools import load_mcp_tools
        except ImportError as error:
            raise UsageError("tools of MCP servers need packages that are not installed", fix=EXTRA) from error

        async def listed(server: Server) -> Listed:
            return [(server, tool) for tool in await load_mcp_tools(await server.session())]

        found = await asyncio.gather(*map(listed, self._servers), return_exceptions=True)
        failed = [
            fault_of(f"the MCP server {server.name}", error).message
            for server, error in zip(self._servers, found, strict=True)
            if isinstance(error, BaseException)
        ]
        if failed:
            raise UsageError("; ".join(failed), fix="Check the command or URL of its connection")
        return [pair for pairs in found if not isinstance(pairs, BaseException) for pair in pairs]


def _closed(server: Server) -> ToolFault:
    fix = "Call its tools inside the block of mcp_operators"
    return ToolFault(f"the sessions of the MCP server {server.name} are closed", retryable=False, fix=fix)
