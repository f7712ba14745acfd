"""The tools of MCP servers as operators, over one session a server for as long as a block lasts. What a server says of
its tools is data, and its schemas are checked here, because no client checks them on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from typing_extensions import Unpack

from ...errors import UsageError
from ..template import OperatorTemplate
from .foreign import Terms, foreign_operator
from .names import distinct, operator_name
from .server import Server
from .servers import Listed, Servers

if TYPE_CHECKING:
    from langchain_mcp_adapters.sessions import Connection
    from mcp.types import CallToolResult

START_TIMEOUT: Final = 30.0


def mcp_operators(
    connections: Mapping[str, Connection],
    *,
    leave_out: Collection[str] = (),
    start_timeout: float = START_TIMEOUT,
    **terms: Unpack[Terms],
) -> McpBlock:
    """The tools of the servers in `connections` (by name, as langchain-mcp-adapters describes them), each an operator
    called `SERVER_TOOL`, while a `with` or an `async with` block lasts.

    A stdio connection starts a program: take connections from nobody whose programs you would not run. `leave_out`
    names operators that are not made; `start_timeout` is in seconds. `terms` hold for every tool;
    `dataclasses.replace` changes them for one. Opening the block raises UsageError when `[mcp]` is not installed, when
    a server cannot be opened, and when tools cannot be told apart or checked.
    """
    return McpBlock(Servers(connections, start_timeout), frozenset(leave_out), terms)


class McpBlock:
    """The block that `mcp_operators` opens, once."""

    def __init__(self, servers: Servers, leave_out: frozenset[str], terms: Terms) -> None:
        self._servers, self._leave_out, self._terms = servers, leave_out, terms

    async def __aenter__(self) -> list[OperatorTemplate]:
        self._servers.start()
        try:
            return self._operators(await asyncio.wrap_future(self._servers.tools))
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._servers.end()
        await asyncio.shield(asyncio.wrap_future(self._servers.ended))

    def __enter__(self) -> list[OperatorTemplate]:
        self._servers.start()
        try:
            return self._operators(self._servers.tools.result())
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._servers.end()
        self._servers.ended.result()

    def _operators(self, tools: Listed) -> list[OperatorTemplate]:
        """Raises UsageError with everything that is wrong with any of them."""
        made, refused = [], []
        for server, tool in tools:
            try:
                name = operator_name(f"{server.name}_{tool.name}")
                if name not in self._leave_out:
                    made.append((self._operator(name, server, tool), f"{tool.name} of {server.name}"))
            except UsageError as error:
                refused.append(error.message)
        if refused:
            raise UsageError("; ".join(refused), fix="Mend them, or pass leave_out=(...) with the operators' names")
        return distinct(made)

    def _operator(self, name: str, server: Server, tool: BaseTool) -> OperatorTemplate:
        schema = tool.args_schema
        assert isinstance(schema, dict), "the adapters give a server's own JSON schema"

        async def call(arguments: dict[str, Any]) -> ToolMessage:
            return message_of(await self._servers.call(server, tool.name, arguments))

        return foreign_operator(name, tool.description, schema, call, **self._terms)


def message_of(result: CallToolResult) -> ToolMessage:
    """A server's answer as LangChain's message, without ids that differ from call to call."""
    return ToolMessage(
        content=[_block(each.model_dump(mode="json", exclude_none=True)) for each in result.content],
        artifact=result.structuredContent,
        status="error" if result.isError else "success",
        tool_call_id="",
    )


def _block(content: dict[str, Any]) -> str | dict[str, Any]:
    """One block of content: text as it is, a line of description for what cannot be read."""
    resource = content.get("resource", content)
    if isinstance(resource.get("text"), str):
        return str(resource["text"])
    told = {"type": content["type"], "mime_type": resource.get("mimeType"), "url": resource.get("uri")}
    return {key: value for key, value in told.items() if value is not None}
