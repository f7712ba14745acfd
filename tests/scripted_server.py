"""A real HTTP server that speaks OpenAI chat completions as vLLM does, with answers from a script.

It is the outside witness of the tests: what arrives over the wire is recorded here, not in the code under test. In a
test: `with ScriptedServer(reply) as server: …` (own thread, own event loop, so that sync and async clients can both use
it). As a process of its own, for tests that kill the client:

    python tests/scripted_server.py --port-file PORT --log LOG [--script FILE] [--latency SECONDS]

`--script` names a Python file with `reply(request)`; without one the server answers with a digest of the request. Each
line of LOG is one event in JSON: a request `received`, and the same request `answered` once its last byte is written.
`GET /stats` tells the counts by idempotency key. Only the standard library is used.

Requests that only ask about the server are answered at once and counted apart: `probes` (a chat request that biases one
token, see `logprobs_mode`) and `tokenized`. With a `template` (`--template`) the server also renders and takes prompts
in tokens, at `/tokenize` and `/v1/completions`; without one it knows neither, as servers that are only compatible.
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

from scripted_template import Template

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
    template: Template | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What the prompt says, also when it came in tokens."""
        if self.template is not None and "prompt" in self.body:
            return self.template.messages(self.body["prompt"])
        return list(self.body["messages"])

    @property
    def read(self) -> list[int]:
        """The prompt's tokens."""
        if self.template is None:
            return prompt_ids(self.body)
        return list(self.body["prompt"]) if "prompt" in self.body else self.template.ids(self.body["messages"])

    @property
    def key(self) -> str | None:
        return next((self.headers[name] for name in KEY_HEADERS if name in self.headers), None)

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return str(self.messages[-1]["content"])


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
    tool_calls: tuple[tuple[str, str, str], ...] = ()
    """Id, name and arguments (in JSON) of each tool called; `text` is what was sampled for them, and not shown."""
    thoughts: str = ""
    """What a reasoning parser takes out of a chat completion's text, `text` being the rest."""
    read: list[int] | None = None
    """Tokens that the server claims to have read; None: those it was sent."""


Script = Callable[[Request], Answer | str]


def pieces(text: str) -> list[str]:
    """The tokens of `text`: words with the blanks before them."""
    return _PIECE.findall(text)


def token_id(piece: str) -> int:
    return int(hashlib.sha256(piece.encode()).hexdigest()[:4], 16)


def prompt_ids(body: dict[str, Any]) -> list[int]:
    return [token_id(p) for m in body["messages"] for p in pieces(str(m["content"]))]


def digest_script(request: Request) -> Answer:
    return Answer(f"Answer: {hashlib.sha256(json.dumps(request.messages).encode()).hexdigest()[:12]}")


class ScriptedServer:
    """The server. `requests` grows as they arrive; `port` and `url` are set while it runs."""

    def __init__(
        self,
        script: Script | str = digest_script,
        *,
        log: Path | None = None,
        latency: float = 0.0,
        template: Template | None = None,
        logprobs_mode: str | Callable[[], Answer] = "processed",
        thoughtful: bool = False,
    ) -> None:
        """`script`: what to answer, or one text for all. `log`: a file for events, None for none. `logprobs_mode`:
        `processed`, `raw`, or what to answer when asked for it. `thoughtful`: what is said there are thoughts."""
        self.script: Script = (lambda _: script) if isinstance(script, str) else script
        self.requests: list[Request] = []
        self.answered: Counter[str | None] = Counter()
        self.connections = 0
        self.busiest = 0
        self.latency = latency
        self.template = template
        self.logprobs_mode = logprobs_mode
        self.thoughtful = thoughtful
        self.probes = 0
        self.tokenized: list[dict[str, Any]] = []
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
        aside = await self._aside(path, json.loads(body))
        if aside is not None:
            writer.write(aside)
            await writer.drain()
            return bool(aside)
        request = self._received(path, headers, json.loads(body))
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            return await self._answer(request, writer)
        finally:
            self._busy -= 1

    async def _aside(self, path: str, body: dict[str, Any]) -> bytes | None:
        """The answer to a question about the server, b"" for none; None: it is a call."""
        if path.endswith("/tokenize"):
            self.tokenized.append(body)
            if self.template is None:
                return _response(404, b'{"detail": "Not Found"}')
            pieces_ = self.template.pieces(body["messages"], reply=body.get("add_generation_prompt", True))
            told = {"tokens": [self.template.id(piece) for piece in pieces_], "max_model_len": 100_000}
            return _response(200, json.dumps(told | {"token_strs": pieces_}).encode())
        if body.get("logit_bias") != {"0": 100}:
            return None
        self.probes += 1
        if callable(self.logprobs_mode):
            answer = self.logprobs_mode()
            await asyncio.sleep(answer.seconds)
            error = json.dumps({"error": {"message": answer.message}}).encode()
            return b"" if answer.stop_after == 0 else _response(answer.status, answer.raw or error)
        return _response(200, json.dumps(_probed(body, self.logprobs_mode, self.thoughtful)).encode())

    def _told(self, path: str) -> bytes:
        if path.endswith("/stats"):
            counts = {str(key): count for key, count in self.by_key.items()}
            return json.dumps({"requests": len(self.requests), "by_key": counts}).encode()
        return json.dumps({"object": "list", "data": []}).encode()

    def _received(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Request:
        key = next((headers[name] for name in KEY_HEADERS if name in headers), None)
        request = Request(path, headers, body, len(self.requests), self.by_key[key], self.template)
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


def _probed(body: dict[str, Any], mode: str, thoughtful: bool) -> dict[str, Any]:
    """The first token is sampled; the distribution in which it is certain is shown, or the one in which it is not."""
    first, second = (0.0, -106.0) if mode == "processed" else (-6.5, -6.0)
    shown = [{"token": "!", "logprob": first}, {"token": '"', "logprob": second}]
    choice = {
        "index": 0,
        "message": {"role": "assistant", ("reasoning" if thoughtful else "content"): "!"},
        "finish_reason": "length",
        "logprobs": {"content": [shown[0] | {"top_logprobs": shown}]},
        "token_ids": [0],
    }
    return {"id": "probe", "object": "chat.completion", "created": 0, "model": body.get("model"), "choices": [choice]}


def _cut(request: Request, answer: Answer) -> tuple[list[str], str]:
    """The sampled pieces within the request's limit, and the reason for the end."""
    limit = request.body.get("max_completion_tokens") or request.body.get("max_tokens")
    sampled = request.template.sampled(answer.text) if request.template else pieces(answer.text)
    return (sampled[:limit], "length") if limit and len(sampled) > limit else (sampled, answer.finish_reason)


def _base(request: Request, answer: Answer) -> dict[str, Any]:
    model = request.body.get("model") if answer.model == "" else answer.model
    base = {"id": f"chatcmpl-{request.headers.get('x-request-id', request.number)}", "created": int(time.time())}
    return base | ({"model": model} if model is not None else {})


def _logprobs(request: Request, first: int, sampled: list[str]) -> dict[str, Any] | None:
    wanted = request.body.get("logprobs")
    if wanted is None or wanted is False:
        return None
    content = [
        {"token": p, "logprob": -(first + i + 1) / 8, "bytes": None, "top_logprobs": []} for i, p in enumerate(sampled)
    ]
    return {"content": content}


def _text(request: Request, sampled: list[str]) -> str:
    return request.template.text(sampled) if request.template else "".join(sampled)


def _ids(request: Request, sampled: list[str]) -> list[int]:
    return [request.template.id(piece) if request.template else token_id(piece) for piece in sampled]


def _usage(request: Request, sampled: list[str]) -> dict[str, int]:
    read = len(request.read)
    return {"prompt_tokens": read, "completion_tokens": len(sampled), "total_tokens": read + len(sampled)}


def _body(request: Request, answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        return {"error": {"message": answer.message, "type": "Scripted", "code": answer.error_code or answer.status}}
    sampled, reason = _cut(request, answer)
    ids = answer.token_ids and request.body.get("return_token_ids")
    choice = {
        "message": {"role": "assistant", "content": _text(request, sampled), "reasoning": answer.thoughts or None}
        | _called(answer),
        "finish_reason": reason,
        "logprobs": _logprobs(request, 0, sampled),
    } | ({"token_ids": _ids(request, sampled)} if ids else {})
    choices = [{"index": index, **choice} for index in range(request.body.get("n") or 1)]
    body = {
        **_base(request, answer),
        "object": "chat.completion",
        "choices": choices,
        **({"usage": _usage(request, sampled)} if answer.usage else {}),
        **({"prompt_token_ids": answer.read or request.read} if ids else {}),
    }
    return body if "messages" in request.body else _plain(body, "message")


def _called(answer: Answer) -> dict[str, Any]:
    """The part of a message that calls tools."""
    if not answer.tool_calls:
        return {}
    calls = [
        {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (id, name, arguments) in enumerate(answer.tool_calls)
    ]
    return {"content": None, "tool_calls": calls}


def _plain(body: dict[str, Any], part: str) -> dict[str, Any]:
    """A chat completion, or a chunk of one, as a completion has it."""
    choices = []
    for choice in body["choices"]:
        said = {name: value for name, value in choice.items() if name != part}
        entries = (choice.get("logprobs") or {}).get("content")
        if entries is not None:
            said["logprobs"] = {
                "tokens": [entry["token"] for entry in entries],
                "token_logprobs": [entry["logprob"] for entry in entries],
                "top_logprobs": [{entry["token"]: entry["logprob"]} for entry in entries],
                "text_offset": [0] * len(entries),
            }
        text = choice[part].get("content") or ""
        choices.append(said | {"text": text, "prompt_token_ids": body.get("prompt_token_ids")})
    rest = {name: value for name, value in body.items() if name not in ("choices", "prompt_token_ids")}
    return rest | {"object": "text_completion", "choices": choices}


def _events(request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
    """The chunks of a stream: ids of the prompt on the first, ids and log-probs beside each piece, usage at the end."""
    plain = "messages" not in request.body
    for event in _chat_events(request, answer):
        yield _plain(event, "delta") if plain else event


def _chat_events(request: Request, answer: Answer) -> Iterator[dict[str, Any]]:
    sampled, reason = _cut(request, answer)
    ids = answer.token_ids and request.body.get("return_token_ids")
    base = {**_base(request, answer), "object": "chat.completion.chunk"}
    first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "logprobs": None}
    yield {**base, "choices": [first], **({"prompt_token_ids": answer.read or request.read} if ids else {})}
    for number, piece in enumerate(sampled):
        choice = {
            "index": 0,
            "delta": {
                "content": None if answer.tool_calls else _text(request, [piece]),
                "reasoning": answer.thoughts or None,
            }
            | (_called(answer) if number == len(sampled) - 1 else {}),
            "finish_reason": reason if number == len(sampled) - 1 else None,
            "logprobs": _logprobs(request, number, [piece]),
        } | ({"token_ids": _ids(request, [piece])} if ids else {})
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
    parser.add_argument("--template", action="store_true", help="render, and take prompts in tokens")
    options = parser.parse_args()
    names = {"Answer": Answer, "Request": Request}
    script = runpy.run_path(str(options.script), init_globals=names)["reply"] if options.script else digest_script
    template = Template() if options.template else None
    server = ScriptedServer(script, log=options.log, latency=options.latency, template=template)

    def ready() -> None:
        fresh = options.port_file.with_suffix(".new")
        fresh.write_text(str(server.port))
        fresh.replace(options.port_file)

    asyncio.run(server.serve(ready))


if __name__ == "__main__":
    main()
