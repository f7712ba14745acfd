"""A real HTTP server that speaks OpenAI chat completions as vLLM does, with answers from a script.

It is the outside witness of the tests: what arrives over the wire is recorded here, not in the code under test. In a
test: `with ScriptedServer(reply) as server: …` (own thread, own event loop, so that sync and async clients can both use
it). As a process of its own, for tests that kill the client:

    python tests/scripted_server.py --port-file PORT --log LOG [--script FILE] [--latency SECONDS]

`--script` names a Python file with `reply(request)`; without one the server answers with a digest of the request. Each
line of LOG is one event in JSON: a request `received`, and the same request `answered` once its last byte is written.
`GET /stats` tells the counts by idempotency key. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import runpy
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

KEY_HEADERS = ("idempotency-key", "x-request-id")
_PIECE = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: dict[str, Any]
    number: int
    """Requests before this one at this server."""
    attempt: int
    """Requests before this one with the same idempotency key."""

    @property
    def key(self) -> str | None:
        return next((self.headers[name] for name in KEY_HEADERS if name in self.headers), None)

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return str(self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Answer:
    """What the server does about a request."""

    text: str = ""
    status: int = 200
    seconds: float = 0.0
    """Wait before the answer; a streamed one is spread over it."""
    finish_reason: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    model: str | None = ""
    """Which model claims to answer; "": the one asked for, None: the field is left out."""
    message: str = "scripted failure"
    """Text of an error (status 400 and above)."""
    error_code: str | int | None = None
    raw: bytes | None = None
    """A body to send as it is."""
    content_type: str = "application/json"
    token_ids: bool = True
    """False: as a server that does not know `return_token_ids`."""
    usage: bool = True
    stop_after: int | None = None
    """Drop the connection after so many pieces of a stream (0: instead of any answer)."""
    error_after: int | None = None
    """Send an error event (`message`, `error_code`) after so many pieces of a stream, as vLLM does."""
    end_after: int | None = None
    """End a stream after so many pieces, without finish reason, as if all were well."""


Script = Callable[[Request], Answer | str]


def pieces(text: str) -> list[str]:
    """The tokens of `text`: words with the blanks before them."""
    return _PIECE.findall(text)


def token_id(piece: str) -> int:
    return int(hashlib.sha256(piece.encode()).hexdigest()[:4], 16)


def prompt_ids(body: dict[str, Any]) -> list[int]:
    return [token_id(p) for m in body["messages"] for p in pieces(str(m["content"]))]


def digest_script(request: Request) -> Answer:
    return Answer(f"Answer: {hashlib.sha256(json.dumps(request.body['messages']).encode()).hexdigest()[:12]}")


class ScriptedServer:
    """The server. `requests` grows as they arrive; `port` and `url` are set while it runs."""

    def __init__(self, script: Script | str = digest_script, *, log: Path | None = None, latency: float = 0.0) -> None:
        """`script`: what to answer, or one text for all. `log`: a file for events, None for none."""
        self.script: Script = (lambda _: script) if isinstance(script, str) else script
        self.requests: list[Request] = []
        self.answered: Counter[str | None] = Counter()
        self.connections = 0
        self.busiest = 0
        self.latency = latency
        self.port = 0
        self._log: TextIO | None = log.open("a", encoding="utf-8") if log else None
        self._busy = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        return len(self._writers)

    @property
    def by_key(self) -> Counter[str | None]:
        """How many requests came with each idempotency key."""
        return Counter(request.key for request in self.requests)

    # in a thread of its own

    def __enter__(self) -> ScriptedServer:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(ready.set)), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the scripted server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        if self._log:
            self._log.close()

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serves until stopped."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        await self._stop.wait()
        server.close()

    # HTTP

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) and await self._exchange(head, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the server stops
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _exchange(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection stays open."""
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if method == "GET":
            writer.write(_response(200, self._told(path)))
            await writer.drain()
            return True
        request = self._received(path, headers, json.loads(body))
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            return await self._answer(request, writer)
        finally:
            self._busy -= 1

    def _told(self, path: str) -> bytes:
        if path.endswith("/stats"):
            counts = {str(key): count for key, count in self.by_key.items()}
            return json.dumps({"requests": len(self.requests), "by_key": counts}).encode()
        return json.dumps({"object": "list", "data": []}).encode()

    def _received(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Request:
        key = next((headers[name] for name in KEY_HEADERS if name in headers), None)
        request = Request(path, headers, body, len(self.requests), self.by_key[key])
        self.requests.append(request)
        self._event("received", request)
        return request

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        answer = self.script(request)
        if isinstance(answer, str):
            answer = Answer(answer)
        streamed = bool(request.body.get("stream")) and answer.status == 200 and answer.raw is None
        wait = answer.seconds or self.latency
        if not streamed or answer.stop_after == 0:
            await asyncio.sleep(wait)
        if answer.stop_after == 0:
            return False
        if streamed:
            if not await self._stream(request, answer, wait, writer):
                return False
        else:
            body = answer.raw if answer.raw is not None else json.dumps(_body(request, answer)).encode()
            writer.write(_response(answer.status, body, answer.headers, answer.content_type))
            await writer.drain()
        self.answered[request.key] += 1
        self._event("answered", request, status=answer.status)
        return True

    async def _stream(self, request: Request, answer: Answer, wait: float, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        events = list(_events(request, answer))
        for number, event in enumerate(events):
            if number == answer.stop_after:
                return False
            if number == answer.end_after:
                break
            if number == answer.error_after:
                error = {"error": {"message": answer.message, "code": answer.error_code or 500}}
                writer.write(_chunk(b"data: " + json.dumps(error).encode() + b"\n\n"))
            await asyncio.sleep(wait / len(events))
            writer.write(_chunk(b"data: " + json.dumps(event).encode() + b"\n\n"))
            await writer.drain()
        writer.write(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        return True

    def _event(self, kind: str, request: Request, **more: Any) -> None:
        if self._log:
            line = {"at": time.time(), "event": kind, "number": request.number, "key": request.key}
            line |= {"attempt": request.attempt, "model": request.body.get("model"), "seed": request.body.get("seed")}
            self._log.write(json.dumps(line | more) + "\n")
            self._log.flush()


def _response(status: int, body: bytes, headers: dict[str, str] | None = None, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _cut(request: Request, answer: Answer) -> tuple[list[str], str]:
    """The sampled pieces within the request's limit, and the reason for the end."""
    limit = request.body.get("max_completion_tokens") or request.body.get("max_tokens")
    sampled = pieces(answer.text)
    return (sampled[:limit], "length") if limit and len(sampled) > limit else (sampled, answer.finish_reason)


def _base(request: Request, answer: Answer) -> dict[str, Any]:
    model = request.body.get("model") if answer.model == "" else answer.model
    base = {"id": f"chatcmpl-{request.headers.get('x-request-id', request.number)}", "created": int(time.time())}
    return base | ({"model": model} if model is not None else {})


def _logprobs(request: Request, first: int, sampled: list[str]) -> dict[str, Any] | None:
    if not request.body.get("logprobs"):
        return None
    content = [
        {"token": p, "logprob": -(first + i + 1) / 8, "bytes": None, "top_logprobs": []} for i, p in enumerate(sampled)
    ]
    return {"content": content}


def _usage(request: Request, sampled: list[str]) -> dict[str, int]:
    read = len(prompt_ids(request.body))
    return {"prompt_tokens": read, "completion_tokens": len(sampled), "total_tokens": read + len(sampled)}


def _body(request: Request, answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        return {"error": {"message": answer.message, "type": "Scripted", "code": answer.error_code or answer.status}}
    sampled, reason = _cut(request, answer)
    ids = answer.token_ids and request.body.get("return_token_ids")
    choice = {
        "message": {"role": "assistant", "content": "".join(sampled)},
        "finish_reason": reason,
        "logprobs": _logprobs(request, 0, sampled),
    } | ({"token_ids": [token_id(p) for p in sampled]} if ids else {})
    choices = [{"index": index, **choice} for index in range(request.body.get("n") or 1)]
    return {
        **_base(request, answer),
        "object": "chat.completion",
        "choices": choices,
        **({"usage": _usage(request, sampled)} if answer.usage else {}),
        **({"prompt_token_ids": prompt_ids(request.body)} if ids else {}),
    }


def _events(request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
    """The chunks of a stream: ids of the prompt on the first, ids and log-probs beside each piece, usage at the end."""
    sampled, reason = _cut(request, answer)
    ids = answer.token_ids and request.body.get("return_token_ids")
    base = {**_base(request, answer), "object": "chat.completion.chunk"}
    first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "logprobs": None}
    yield {**base, "choices": [first], **({"prompt_token_ids": prompt_ids(request.body)} if ids else {})}
    for number, piece in enumerate(sampled):
        choice = {
            "index": 0,
            "delta": {"content": piece},
            "finish_reason": reason if number == len(sampled) - 1 else None,
            "logprobs": _logprobs(request, number, [piece]),
        } | ({"token_ids": [token_id(piece)]} if ids else {})
        yield {**base, "choices": [choice]}
    if not sampled:
        yield {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": reason, "logprobs": None}]}
    if answer.usage and (request.body.get("stream_options") or {}).get("include_usage"):
        yield {**base, "choices": [], "usage": _usage(request, sampled)}


def main() -> None:
    """Serves until killed; the port is written to a file once requests are taken."""
    parser = argparse.ArgumentParser(description="A scripted chat-completions server.")
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--script", type=Path, help="a Python file with reply(request)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    names = {"Answer": Answer, "Request": Request}
    script = runpy.run_path(str(options.script), init_globals=names)["reply"] if options.script else digest_script
    server = ScriptedServer(script, log=options.log, latency=options.latency)

    def ready() -> None:
        fresh = options.port_file.with_suffix(".new")
        fresh.write_text(str(server.port))
        fresh.replace(options.port_file)

    asyncio.run(server.serve(ready))


if __name__ == "__main__":
    main()
