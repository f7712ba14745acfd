"""A proxy between client and server that writes down what the server read and sampled, in the server's own words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

COMPLETIONS = ("/v1/chat/completions", "/v1/completions")


@dataclass(frozen=True)
class Seen:
    """One completion over the wire."""

    path: str
    request: dict[str, Any]
    read: list[int]
    sampled: list[int]
    logprobs: list[float]


@dataclass
class Witness:
    url: str = ""
    by_key: dict[str, Seen] = field(default_factory=dict)
    """By `X-Request-Id`; what has none (a probe of the server) is no completion of a run."""
    twice: list[str] = field(default_factory=list)

    def note(self, path: str, key: str, request: dict[str, Any], reply: dict[str, Any]) -> None:
        choice = reply["choices"][0]
        told = choice["logprobs"]
        chat = path.endswith("chat/completions")
        if key in self.by_key:
            self.twice.append(key)
        self.by_key[key] = Seen(
            path,
            request,
            read=reply["prompt_token_ids"] if chat else choice["prompt_token_ids"],
            sampled=choice["token_ids"],
            logprobs=[entry["logprob"] for entry in told["content"]] if chat else told["token_logprobs"],
        )


@asynccontextmanager
async def witnessed(root: str) -> AsyncIterator[Witness]:
    """A witness in front of the server at `root`, on a port of its own."""
    witness = Witness()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(root, connector=connector) as upstream:

        async def passed(request: web.Request) -> web.Response:
            body = await request.read()
            kept = {
                name: value
                for name, value in request.headers.items()
                if name.lower() in ("content-type", "x-request-id")
            }
            async with upstream.request(request.method, request.path_qs, data=body, headers=kept) as reply:
                answer = await reply.read()
            key = request.headers.get("x-request-id")
            if request.path in COMPLETIONS and key and reply.status == 200:
                witness.note(request.path, key, json.loads(body), json.loads(answer))
            return web.Response(status=reply.status, body=answer, content_type=reply.content_type)

        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{anything:.*}", passed)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        witness.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield witness
        finally:
            await runner.cleanup()
