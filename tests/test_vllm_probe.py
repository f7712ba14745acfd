"""Which distribution a server's log-probs belong to: asked once, never at the cost of a call, and never guessed."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import pytest
from flowwright.policies import ChatVLLM, Reply, server_probe
from flowwright.policies.once import Once
from flowwright.policies.server_probe import mode_told
from langchain_core.messages import AIMessageChunk
from scripted_server import Answer, ScriptedServer

TEXT = "forty two"


@pytest.fixture(autouse=True)
def _ports_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known of a test's server is not believed of the next one at its port."""
    monkeypatch.setattr(server_probe, "_servers", WeakValueDictionary())


def chat_at(server: ScriptedServer, **options: Any) -> ChatVLLM:
    return ChatVLLM(**{"model": "m", "base_url": server.url, "timeout": 5.0, "seed": 1} | options)


async def drained(chat: ChatVLLM) -> AIMessageChunk:
    chunks = [chunk async for chunk in chat.astream("hi")]
    return sum(chunks[1:], start=chunks[0])


def streamed(chat: ChatVLLM) -> AIMessageChunk:
    chunks = list(chat.stream("hi"))
    return sum(chunks[1:], start=chunks[0])


PATHS: dict[str, Callable[[ChatVLLM], Any]] = {
    "invoke": lambda chat: chat.invoke("hi"),
    "ainvoke": lambda chat: asyncio.run(chat.ainvoke("hi")),
    "stream": streamed,
    "astream": lambda chat: asyncio.run(drained(chat)),
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def told(answer: Answer) -> Callable[[], Answer]:
    return lambda: answer


def answering(logprob: float, others: list[float], ids: list[int] | None = None) -> dict[str, Any]:
    entry = {"token": "!", "logprob": logprob, "top_logprobs": [{"token": "?", "logprob": one} for one in others]}
    return {"choices": [{"token_ids": [0] if ids is None else ids, "logprobs": {"content": [entry]}}]}


# what is told


@every_path
@pytest.mark.parametrize("mode", ["processed", "raw"])
def test_the_record_says_which_log_probs_these_are(path: Callable[[ChatVLLM], Any], mode: str) -> None:
    with ScriptedServer(TEXT, logprobs_mode=mode) as server:
        reply = Reply.of(path(chat_at(server)))
    assert (reply.text, reply.logprobs_mode) == (TEXT, mode)
    assert (len(server.requests), server.probes) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "mode"),
    [
        (answering(0.0, [0.0, -106.2]), "processed"),
        (answering(-1e-7, [-1e-7, -9999.0]), "processed"),
        (answering(-6.6, [-1.0, -2.0]), "raw"),
        (answering(-120.0, [-0.0, -9.0]), "raw"),
        (answering(-1e-4, [-1e-4, -9.2]), None),
        (answering(-0.2, [-0.2, -1.9]), None),
        (answering(0.0, []), None),
        (answering(112.5, [112.5, 3.0]), None),
        (answering(-6.6, [-1.0], ids=[7]), None),
        (answering(0.0, [-106.0], ids=[0, 0]), None),
        ({"choices": [{"token_ids": [0], "logprobs": None}]}, None),
        ({"choices": [{"logprobs": {"content": [{"logprob": 0.0}]}}]}, None),
        ({"choices": []}, None),
        ({}, None),
        ([], None),
        ("<html>", None),
        (None, None),
    ],
)
def test_only_what_tells_the_two_apart_is_believed(answer: Any, mode: str | None) -> None:
    assert mode_told(answer) == mode


@every_path
@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=400),
        Answer(status=401),
        Answer(status=404),
        Answer(raw=b"<html>"),
        Answer(raw=b"[]"),
        Answer(raw=json.dumps(answering(-0.2, [-0.2])).encode()),
    ],
)
def test_a_server_that_refuses_or_answers_oddly_is_unknown_and_asked_once(
    path: Callable[[ChatVLLM], Any], answer: Answer
) -> None:
    with ScriptedServer(TEXT, logprobs_mode=told(answer)) as server:
        chat = chat_at(server)
        replies = [Reply.of(path(chat)) for _ in range(3)]
    assert [(reply.text, reply.logprobs_mode) for reply in replies] == [(TEXT, None)] * 3
    assert (len(server.requests), server.probes) == (3, 1)


@every_path
@pytest.mark.parametrize(
    "answer", [Answer(stop_after=0), Answer(status=503), Answer(status=429), Answer(raw=b"{}", seconds=5)]
)
def test_what_may_pass_is_asked_again(path: Callable[[ChatVLLM], Any], answer: Answer) -> None:
    with ScriptedServer(TEXT, logprobs_mode=told(answer)) as server:
        chat = chat_at(server, timeout=0.3 if answer.seconds else 5.0)
        first = Reply.of(path(chat))
        server.logprobs_mode = "raw"
        second, third = Reply.of(path(chat)), Reply.of(path(chat))
    assert (first.text, first.logprobs_mode) == (TEXT, None)
    assert (second.logprobs_mode, third.logprobs_mode) == ("raw", "raw")
    assert (len(server.requests), server.probes) == (3, 2)


# when it is asked


async def test_calls_at_once_wait_for_one_question() -> None:
    with ScriptedServer(TEXT, latency=0.01) as server:
        chat = chat_at(server)
        copies = [chat.model_copy(update={"seed": n}) for n in range(30)]
        again = [chat_at(server) for _ in range(5)]
        calls = [asyncio.to_thread(one.invoke, "hi") for one in again] + [one.ainvoke("hi") for one in copies]
        replies = [Reply.of(message) for message in await asyncio.gather(*calls)]
    assert {reply.logprobs_mode for reply in replies} == {"processed"}
    assert (len(server.requests), server.probes) == (35, 1)


def test_versions_of_an_adapter_share_the_answer_and_other_models_do_not() -> None:
    with ScriptedServer(TEXT) as server:
        chat = chat_at(server)
        for model in ("m", "designer-000001", "designer-000002", "other", "m"):
            chat.invoke("hi", model=model)
    assert server.probes == 3


def test_what_is_known_ends_with_the_models_that_know_it() -> None:
    with ScriptedServer(TEXT) as server:
        for _ in range(2):
            chat_at(server).invoke("hi")
            gc.collect()
    assert server.probes == 2


@every_path
def test_a_stated_mode_is_believed_and_no_question_asked(path: Callable[[ChatVLLM], Any]) -> None:
    with ScriptedServer(TEXT) as server:
        stated = Reply.of(path(chat_at(server, logprobs_mode="raw")))
        silent = Reply.of(path(chat_at(server, probe=False)))
        tokenless = Reply.of(path(chat_at(server, return_token_ids=False)))
    assert [one.logprobs_mode for one in (stated, silent, tokenless)] == ["raw", None, None]
    assert server.probes == 0


def test_a_call_that_fails_asks_nothing() -> None:
    with ScriptedServer(lambda _: Answer(status=503)) as server, pytest.raises(Exception, match="scripted"):
        chat_at(server).invoke("hi")
    assert server.probes == 0


# once


async def test_a_cancelled_asker_fails_nobody_else() -> None:
    once: Once[int] = Once()
    begun, go = asyncio.Event(), asyncio.Event()
    asked = 0

    async def find() -> int:
        nonlocal asked
        asked += 1
        begun.set()
        await go.wait()
        return asked

    first = asyncio.create_task(once.aget("q", find))
    await begun.wait()
    others = [asyncio.create_task(once.aget("q", find)) for _ in range(3)]
    thread = asyncio.create_task(asyncio.to_thread(once.get, "q", lambda: -1))
    await asyncio.sleep(0.05)
    others[0].cancel()
    first.cancel()
    await asyncio.sleep(0.05)
    go.set()
    answers = await asyncio.gather(first, *others, thread, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert len(set(answers[2:])) == 1
    assert answers[2] in (2, -1)
    assert asked <= 2


async def test_a_failure_is_everybodys_and_forgotten() -> None:
    once: Once[int] = Once()
    go = asyncio.Event()

    async def fail() -> int:
        await go.wait()
        raise RuntimeError("no")

    async def never() -> int:
        raise AssertionError("the question is put already")

    first = asyncio.create_task(once.aget("q", fail))
    await asyncio.sleep(0)
    others = [asyncio.create_task(once.aget("q", never)) for _ in range(3)]
    thread = asyncio.create_task(asyncio.to_thread(once.get, "q", lambda: -1))
    await asyncio.sleep(0.05)
    go.set()
    failures = await asyncio.gather(first, *others, thread, return_exceptions=True)
    assert [repr(one) for one in failures] == ["RuntimeError('no')"] * 5
    assert once.get("q", lambda: 5) == once.get("q", lambda: 6) == 5
