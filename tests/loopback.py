"""A real web server on the loopback interface, ended with its block, that answers as a test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Served:
    """One answer."""

    body: bytes = b""
    type: str | None = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Loopback:
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def loopback(answer: Callable[[Asked], Served], tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """A server at 127.0.0.1, on a port of its own."""
    served = Loopback()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            asked = Asked(head[0].split(" ")[1], headers)
            served.asked.append(asked)
            given = answer(asked)
            await asyncio.sleep(given.seconds)
            sent = {"Content-Length": str(len(given.body)), **given.headers}
            if given.type is not None:
                sent["Content-Type"] = given.type
            lines = [f"HTTP/1.1 {given.status} Served", *(f"{name}: {value}" for name, value in sent.items())]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + given.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
