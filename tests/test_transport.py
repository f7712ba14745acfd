"""Connections: one chat model in any event loop, over either transport, and none left behind."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from flowwright.policies import ChatVLLM, ProviderError, Retries, call_with_retries
from flowwright.policies.aiohttp_transport import AiohttpTransport
from flowwright.policies.transport import PerLoopTransport, pooled
from scripted_server import Answer, ScriptedServer

TEXT = "The answer {is} forty two."


def chat_at(server: ScriptedServer, **options: Any) -> ChatVLLM:
    return ChatVLLM(**{"model": "m", "base_url": server.url, "timeout": 5.0, "seed": 1} | options)


TRANSPORTS = {"aiohttp": AiohttpTransport, "httpx2": pooled}
every_transport = pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)


def client_over(transport: Callable[[], httpx2.AsyncBaseTransport]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=PerLoopTransport(transport))


@every_transport
def test_one_chat_model_serves_one_event_loop_after_the_other(transport: Any) -> None:
    with ScriptedServer(TEXT) as server:
        chat = chat_at(server, http_async_client=client_over(transport))

        async def two() -> None:
            for _ in range(2):
                assert (await chat.ainvoke("hi")).content == TEXT

        for _ in range(3):
            asyncio.run(two())
        assert server.connections == 3, "one connection a loop, kept alive within it"
        until(lambda: not server.open_connections)


@every_transport
def test_one_chat_model_serves_several_event_loops_at_once(transport: Any) -> None:
    with ScriptedServer(lambda r: Answer(r.prompt, seconds=0.05)) as server:
        chat = chat_at(server, http_async_client=client_over(transport))

        async def many(name: str) -> list[str]:
            return [str(m.content) for m in await asyncio.gather(*(chat.ainvoke(f"{name}{n}") for n in range(8)))]

        async def both() -> list[list[str]]:
            other = asyncio.to_thread(lambda: asyncio.run(many("b")))
            return list(await asyncio.gather(many("a"), other))

        assert asyncio.run(both()) == [[f"{name}{n}" for n in range(8)] for name in "ab"]


def test_a_loop_closed_by_hand_neither_breaks_the_next_nor_is_kept() -> None:
    with ScriptedServer(TEXT) as server:
        lines = printed(f"""
import asyncio, gc, weakref
from flowwright.policies import resolve
chat = resolve("vllm:m@{server.url}").chat
loops = []
for _ in range(3):
    loop = asyncio.new_event_loop()
    loops.append(weakref.ref(loop))
    print(loop.run_until_complete(chat.ainvoke("hi")).content)
    loop.close()
del loop
gc.collect()
print([loop() is None for loop in loops])
""")
    assert lines == [TEXT] * 3 + ["[True, True, False]"], "a dead loop is let go when the next one starts"


@every_transport
async def test_connections_end_with_the_model_that_used_them(transport: Any) -> None:
    with ScriptedServer(TEXT) as server:
        chat = chat_at(server, http_async_client=client_over(transport))
        await chat.ainvoke("hi")
        assert server.open_connections == 1
        del chat
        for _ in range(100):
            gc.collect()  # more than once: a collection under way in another thread makes it do nothing
            await asyncio.sleep(0.02)
            if not server.open_connections:
                break
        assert server.open_connections == 0


async def test_closing_the_client_closes_the_connections_and_it_can_be_used_again() -> None:
    with ScriptedServer(TEXT) as server:
        transport = PerLoopTransport(AiohttpTransport)
        for _ in range(2):
            request = httpx2.Request("POST", f"{server.url}/chat/completions", json={"messages": []})
            assert (await transport.handle_async_request(request)).status_code == 200
            await transport.aclose()
            await transport.aclose()


@every_transport
async def test_many_calls_at_once_share_connections(transport: Any) -> None:
    with ScriptedServer(lambda r: Answer(r.prompt, seconds=0.1)) as server:
        chat = chat_at(server, timeout=20.0, http_async_client=client_over(transport))
        for _ in range(2):
            replies = await asyncio.gather(*(chat.ainvoke(str(n)) for n in range(64)))
            assert [reply.content for reply in replies] == [str(n) for n in range(64)]
        assert server.connections <= 64
        assert server.busiest > 8


@every_transport
@pytest.mark.parametrize(
    ("answer", "code"),
    [(Answer(stop_after=0), "connection"), (Answer("x", seconds=5), "timeout"), (None, "connection")],
)
async def test_both_transports_fail_alike(transport: Any, answer: Answer | None, code: str) -> None:
    with ScriptedServer(lambda _: answer or "") as server:
        url = server.url if answer else "http://127.0.0.1:1/v1"
        limit = 0.3 if answer and answer.seconds else 20.0
        chat = chat_at(server, base_url=url, timeout=limit, http_async_client=client_over(transport))
        with pytest.raises(ProviderError) as raised:
            await call_with_retries(lambda: chat.ainvoke("hi"), retries=Retries(attempts=1))
    assert raised.value.code == code


def test_without_aiohttp_the_other_transport_is_used() -> None:
    with ScriptedServer(TEXT) as server:
        lines = printed(f"""
import asyncio, sys
sys.modules["aiohttp"] = None
from flowwright.policies import Reply, resolve
chat = resolve("vllm:m@{server.url}").chat
for _ in range(2):
    print(Reply.of(asyncio.run(chat.ainvoke("hi"))).text)
print("flowwright.policies.aiohttp_transport" in sys.modules)
""")
    assert lines == [TEXT, TEXT, "False"]


def printed(code: str) -> list[str]:
    """What `code` prints in an interpreter of its own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout.splitlines()


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)
