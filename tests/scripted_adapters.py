"""A server on loopback that lists, loads and unloads adapters as vLLM does, and misbehaves as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class ScriptedAdapters:
    """Switches of misbehaviour, and what was asked."""

    url: str = ""
    loaded: dict[str, str] = field(default_factory=dict)
    """Directories by adapter name."""
    asked: list[str] = field(default_factory=list)
    updates: bool = True
    """False: it has no routes for adapters."""
    failure: tuple[int, str] | None = None
    """Status and message of a load."""
    lists_as: str | None = None
    """The directory that it names for every adapter."""
    answers_as: str | None = None
    busy: bool = False
    closed: bool = False
    """True: it wants another key."""
    unloads: int = 200
    models: Any = None
    """The whole answer of /v1/models; None: the truth."""
    logprobs: list[float] = field(default_factory=lambda: [-1.0, -2.0])
    token_ids: list[int] | None = field(default_factory=lambda: [5, 6])
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def list(self) -> Any:
        if self.models is not None:
            return self.models
        base = {"id": "tiny", "root": "/models/tiny", "parent": None}
        own = [
            {"id": name, "root": self.lists_as or directory, "parent": "tiny"}
            for name, directory in self.loaded.items()
        ]
        return {"object": "list", "data": [base, *own]}

    def load(self, body: dict[str, str]) -> web.Response:
        if self.failure is not None:
            return refused(*self.failure)
        self.loaded[body["lora_name"]] = body["lora_path"]
        return web.Response(text="Success")

    def unload(self, body: dict[str, str]) -> web.Response:
        if self.unloads != 200:
            return refused(self.unloads, "not now")
        self.loaded.pop(body["lora_name"])
        return web.Response(text="Success")

    def complete(self, body: dict[str, Any]) -> web.Response:
        self.bodies.append(body)
        choice = {"token_ids": self.token_ids, "logprobs": {"token_logprobs": self.logprobs}}
        return web.json_response({"model": self.answers_as or body["model"], "choices": [choice]})

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path
        self.asked.append(path)
        self.keys.append(request.headers.get("Authorization"))
        if self.closed:
            return web.json_response({"error": "Unauthorized"}, status=401)
        if path == "/v1/models":
            return web.json_response(self.list()) if self.models != "<html>" else web.Response(text="<html>")
        if path == "/reset_prefix_cache":
            return web.json_response({"success": not self.busy})
        body = await request.json()
        if path == "/v1/completions":
            return self.complete(body)
        if not self.updates:
            return web.json_response({"detail": "Not Found"}, status=404)
        return self.load(body) if path == "/v1/load_lora_adapter" else self.unload(body)


def refused(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "code": status}}, status=status)


@asynccontextmanager
async def scripted_adapters(**script: Any) -> AsyncIterator[ScriptedAdapters]:
    """The server, on a port of its own."""
    server = ScriptedAdapters(**script)
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
