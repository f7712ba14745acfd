"""A chat-completions server in a process of its own whose only cost to a call is a fixed latency.

Invariant: an answer leaves `--latency` seconds after its request came in, however many are under way; it has token ids
and log-probs when they are asked for, one token per four characters, as a vLLM server would send them.

    python benchmarks/scripted_endpoint.py --port-file PORT --latency 0.5

`GET /stats` tells requests, the most at once, and the CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from scripted_replies import reply

CHARACTERS_A_TOKEN = 4
LOGPROB = -0.125


@cache
def prompt_tokens(count: int) -> orjson.Fragment:
    """Ids of a prompt of so many tokens."""
    return orjson.Fragment(orjson.dumps([(7 * place) % 150_000 for place in range(count)]))


@cache
def sampled_tokens(count: int) -> tuple[orjson.Fragment, orjson.Fragment]:
    """Ids and log-probs of a reply of so many tokens."""
    entries = [
        {"token": f"t{place}", "logprob": LOGPROB, "bytes": [116, 48 + place % 10], "top_logprobs": []}
        for place in range(count)
    ]
    return (
        orjson.Fragment(orjson.dumps([(11 * place) % 150_000 for place in range(count)])),
        orjson.Fragment(orjson.dumps({"content": entries})),
    )


def completion(body: dict[str, Any], number: int) -> bytes:
    """The answer to one request."""
    said = [(message["role"], message["content"]) for message in body["messages"]]
    text = reply(said)
    shown = sum(len(content) for _, content in said) // CHARACTERS_A_TOKEN
    sampled = max(1, len(text) // CHARACTERS_A_TOKEN)
    message = {"role": "assistant", "content": text}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    answer: dict[str, Any] = {
        "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 0, "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": shown, "completion_tokens": sampled, "total_tokens": shown + sampled},
    }  # fmt: skip
    ids, logprobs = sampled_tokens(sampled)
    if body.get("logprobs"):
        choice["logprobs"] = logprobs
    if body.get("return_token_ids"):
        choice["token_ids"] = ids
        answer["prompt_token_ids"] = prompt_tokens(shown)
    return orjson.dumps(answer)


def biased(body: dict[str, Any]) -> dict[str, Any]:
    """The answer of a server whose log-probs are those of the distribution sampled from: the token is certain."""
    shown = [{"token": "!", "logprob": 0.0}, {"token": "?", "logprob": -100.0}]
    choice = {
        "index": 0, "message": {"role": "assistant", "content": "!"}, "finish_reason": "length", "token_ids": [0],
        "logprobs": {"content": [{**shown[0], "top_logprobs": shown}]},
    }  # fmt: skip
    return {"id": "probe", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}


class Endpoint:
    """Request handlers and their counts."""

    def __init__(self, latency: float) -> None:
        """`latency`: seconds."""
        self.latency = latency
        self.requests = self.busy = self.busiest = 0

    async def complete(self, request: web.Request) -> web.Response:
        """`POST /v1/chat/completions`. What only asks about the server is answered at once and not counted."""
        due = asyncio.get_running_loop().time() + self.latency
        body = orjson.loads(await request.read())
        if "logit_bias" in body:
            return web.Response(body=orjson.dumps(biased(body)), content_type="application/json")
        self.requests += 1
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            made = completion(body, self.requests)
            await asyncio.sleep(due - asyncio.get_running_loop().time())
        finally:
            self.busy -= 1
        return web.Response(body=made, content_type="application/json")

    async def stats(self, request: web.Request) -> web.Response:
        """`GET /stats`."""
        told = {"requests": self.requests, "busiest": self.busiest, "cpu_s": time.process_time()}
        return web.Response(body=orjson.dumps(told), content_type="application/json")


async def serve(latency: float, port_file: Path) -> None:
    """Serves until killed; the port is written once requests are taken."""
    endpoint, app = Endpoint(latency), web.Application(client_max_size=64 << 20)
    app.add_routes([web.post("/v1/chat/completions", endpoint.complete), web.get("/stats", endpoint.stats)])
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=3600)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(runner.addresses[0][1]))
    fresh.replace(port_file)
    gc.freeze()
    await asyncio.Event().wait()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--latency", type=float, required=True, help="seconds before each answer")
    given = parser.parse_args()
    asyncio.run(serve(given.latency, given.port_file))


if __name__ == "__main__":
    main()
