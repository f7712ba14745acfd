"""Token ids, log-probs, schemas, adapters, streams and connections of `ChatVLLM`, against a server that speaks as vLLM
does; and that server itself, as a witness in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import pytest
from flowwright import UsageError
from flowwright.policies import ChatVLLM, ProviderError, Reply, call_with_retries, classify, resolve, server_probe
from flowwright.policies.reply import RECORD
from flowwright.sampling import Sampling
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel
from scripted_server import Answer, Request, ScriptedServer, pieces, prompt_ids, token_id

TEXT = "The answer {is} forty two."
Path_ = Callable[[ChatVLLM, str], AIMessage]


@pytest.fixture(autouse=True)
def _ports_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known of a test's server is not believed of the next one at its port."""
    monkeypatch.setattr(server_probe, "_servers", WeakValueDictionary())


def chat_at(server: ScriptedServer, **options: Any) -> ChatVLLM:
    return ChatVLLM(**{"model": "m", "base_url": server.url, "timeout": 5.0, "seed": 1} | options)


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return sum(chunks[1:], start=chunks[0])


async def drained(stream: AsyncIterator[AIMessageChunk]) -> AIMessageChunk:
    return merged([chunk async for chunk in stream])


PATHS: dict[str, Path_] = {
    "invoke": lambda chat, prompt: chat.invoke(prompt),
    "ainvoke": lambda chat, prompt: asyncio.run(chat.ainvoke(prompt)),
    "stream": lambda chat, prompt: merged(list(chat.stream(prompt))),
    "astream": lambda chat, prompt: asyncio.run(drained(chat.astream(prompt))),
    "batch": lambda chat, prompt: chat.batch([prompt])[0],
    "streaming": lambda chat, prompt: chat.model_copy(update={"streaming": True}).invoke(prompt, stream=True),
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def fault_of(call: Callable[[], object]) -> ProviderError:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        call()
    fault = classify(raised.value)
    assert fault is not None, raised.value
    return fault


# tokens


@every_path
def test_every_path_gives_the_tokens_that_were_sampled(path: Path_) -> None:
    with ScriptedServer(TEXT) as server:
        message = path(chat_at(server), "what is it")
        request = server.requests[0]
    reply = Reply.of(message)
    ids = [token_id(piece) for piece in pieces(TEXT)]
    assert reply.text == TEXT
    assert reply.token_ids == ids
    assert reply.prompt_token_ids == prompt_ids(request.body)
    assert reply.logprobs == [-(n + 1) / 8 for n in range(len(ids))]
    assert (reply.input_tokens, reply.output_tokens) == (len(reply.prompt_token_ids), len(ids))
    assert (reply.finish_reason, reply.model, reply.tokens_incomplete, reply.estimated) == ("stop", "m", False, False)
    assert request.body["return_token_ids"] is True
    assert request.body["logprobs"] is True


@every_path
def test_the_bulk_lies_in_one_place_only(path: Path_) -> None:
    with ScriptedServer(TEXT) as server:
        message = path(chat_at(server), "what is it")
    record = message.response_metadata.pop(RECORD)
    assert set(record) == {"prompt_token_ids", "token_ids", "logprobs", "logprobs_mode", "sent"}
    rest = message.model_dump_json()
    assert message.content == TEXT
    assert not [word for word in ("logprob", "token_ids", "-0.125") if word in rest]


async def test_only_the_last_chunk_of_a_stream_carries_the_record() -> None:
    with ScriptedServer(TEXT) as server:
        chunks = [chunk async for chunk in chat_at(server).astream("hi")]
    bearing = [n for n, chunk in enumerate(chunks) if chunk.response_metadata.get(RECORD)]
    assert len(bearing) == 1
    assert not any(chunk.content for chunk in chunks[bearing[0] :])
    assert not any("logprobs" in chunk.response_metadata for chunk in chunks)


@every_path
def test_a_server_without_token_ids_is_recorded_as_such_and_not_refused(path: Path_) -> None:
    with ScriptedServer(lambda _: Answer(TEXT, token_ids=False)) as server:
        reply = Reply.of(path(chat_at(server), "hi"))
    assert (reply.prompt_token_ids, reply.token_ids, reply.tokens_incomplete) == (None, None, True)
    assert reply.text == TEXT


def test_tokens_are_not_asked_for_when_switched_off() -> None:
    with ScriptedServer(TEXT) as server:
        reply = Reply.of(chat_at(server, return_token_ids=False).invoke("hi"))
    assert not {"return_token_ids", "logprobs"} & server.requests[0].body.keys()
    assert (reply.token_ids, reply.logprobs, reply.tokens_incomplete) == (None, None, False)


def test_counts_that_disagree_are_flagged() -> None:
    body = {
        "id": "x",
        "model": "m",
        "object": "chat.completion",
        "created": 1,
        "prompt_token_ids": [1, 2],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
    }
    entry = {"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    for ids, count in (([7, 8, 9], 2), ([7, 8], 2), ([7, 8], 3), ([], 3)):
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "a b c"},
            "finish_reason": "stop",
            "logprobs": {"content": [entry] * count},
            "token_ids": ids,
        }
        raw = json.dumps({**body, "choices": [choice]}).encode()
        with ScriptedServer(lambda _, raw=raw: Answer(raw=raw)) as server:
            assert Reply.of(chat_at(server).invoke("hi")).tokens_incomplete


def test_each_of_several_choices_has_its_own_tokens() -> None:
    with ScriptedServer(TEXT) as server:
        result = chat_at(server, n=3).generate([[HumanMessage("hi")]])
    replies = [Reply.of(generation.message) for generation in result.generations[0]]
    assert [reply.token_ids for reply in replies] == [[token_id(piece) for piece in pieces(TEXT)]] * 3
    assert not any(reply.tokens_incomplete for reply in replies)


def test_streaming_several_choices_is_refused() -> None:
    with ScriptedServer(TEXT) as server, pytest.raises(UsageError, match="n=1"):
        list(chat_at(server, n=2).stream("hi"))


def test_a_reply_in_a_streaming_graph_has_its_tokens() -> None:
    with ScriptedServer(TEXT) as server:
        chat = chat_at(server)

        async def node(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await chat.ainvoke(state["messages"])]}

        graph = StateGraph(MessagesState).add_node("ask", node).add_edge(START, "ask").add_edge("ask", END).compile()

        async def run() -> tuple[list[str], AIMessage]:
            shown, last = [], None
            async for mode, part in graph.astream({"messages": [("user", "hi")]}, stream_mode=["messages", "values"]):
                if mode == "messages":
                    shown.append(part[0].content)
                else:
                    last = part["messages"][-1]
            assert isinstance(last, AIMessage)
            return shown, last

        shown, message = asyncio.run(run())
    assert "".join(shown) == TEXT
    assert len(shown) > 4
    assert Reply.of(message).token_ids == [token_id(piece) for piece in pieces(TEXT)]
    assert server.requests[0].body["stream"] is True


# schemas and cut replies


@pytest.mark.parametrize("name", ["invoke", "ainvoke", "stream", "astream", "batch"])
def test_a_cut_structured_reply_keeps_its_text_and_tokens(name: str) -> None:
    schema = {"type": "object", "properties": {"finish": {"type": "string"}}}
    with ScriptedServer('{"finish": "a b c d"}') as server:
        model = resolve(f"vllm:m@{server.url}").at(Sampling(max_tokens=3), seed=1, key="k", schema=schema)
        reply = Reply.of(PATHS[name](model, "hi"))
    assert server.requests[0].body["structured_outputs"] == {"json": schema}
    assert (reply.text, reply.finish_reason, reply.output_tokens) == ('{"finish": "a b', "length", 3)
    assert reply.token_ids == [token_id(piece) for piece in ['{"finish":', ' "a', " b"]]
    assert reply.constrained
    assert not reply.tokens_incomplete


@pytest.mark.parametrize("name", ["invoke", "ainvoke", "stream", "astream"])
def test_a_response_format_goes_out_as_it_is_and_survives_a_cut(name: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    with ScriptedServer('{"finish": "a b c d"}') as server:
        reply = Reply.of(PATHS[name](chat_at(server, max_tokens=3).bind(response_format=form), "hi"))
    assert server.requests[0].body["response_format"] == form
    assert (reply.text, reply.finish_reason, reply.tokens_incomplete) == ('{"finish": "a b', "length", False)
    assert reply.constrained


class Finish(BaseModel):
    """Say which."""

    finish: str


@pytest.mark.parametrize("schema", [Finish, Finish.model_json_schema()], ids=["class", "dict"])
def test_langchains_structured_output_works_and_survives_a_cut(schema: Any) -> None:
    with ScriptedServer('{"finish": "a b c d"}') as server:
        whole = chat_at(server).with_structured_output(schema, include_raw=True).invoke("hi")
        cut = chat_at(server, max_tokens=2).with_structured_output(schema, include_raw=True).invoke("hi")
        cut_async = asyncio.run(
            chat_at(server, max_tokens=2).with_structured_output(schema, include_raw=True).ainvoke("hi")
        )
    parsed = whole["parsed"]
    assert (parsed if isinstance(parsed, dict) else parsed.model_dump()) == {"finish": "a b c d"}
    for one in (cut, cut_async):
        reply = Reply.of(one["raw"])
        assert (reply.text, reply.finish_reason) == ('{"finish": "a', "length")
        assert reply.token_ids == [token_id(piece) for piece in ['{"finish":', ' "a']]


# who answered


@every_path
@pytest.mark.parametrize("answered", ["other", None, "m-2"])
def test_another_model_than_the_one_asked_for_is_refused(path: Path_, answered: str | None) -> None:
    with ScriptedServer(lambda _: Answer(TEXT, model=answered)) as server:
        fault = fault_of(lambda: path(chat_at(server), "hi"))
    assert (fault.code, fault.retryable) == ("wrong_model", False)
    assert "'m'" in str(fault)


def test_an_adapter_is_a_model_by_its_name() -> None:
    def script(request: Request) -> Answer:
        return Answer("adapted", model=request.body["model"])

    with ScriptedServer(script) as server:
        chat = chat_at(server)
        adapted = Reply.of(chat.bind(model="designer-000001").invoke("hi"))
        named = Reply.of(resolve(f"vllm:designer-000002@{server.url}").chat.invoke("hi"))
    assert [request.body["model"] for request in server.requests] == ["designer-000001", "designer-000002"]
    assert (adapted.model, named.model) == ("designer-000001", "designer-000002")
    assert adapted.sent is not None
    assert adapted.sent["model"] == "designer-000001"


@every_path
@pytest.mark.parametrize(
    ("model", "version"),
    [("designer-000001", "designer-000001"), ("m", None), ("m-2024", None), ("m-00000a", None), ("-000001", None)],
)
def test_an_adapters_version_is_on_the_record(path: Path_, model: str, version: str | None) -> None:
    with ScriptedServer(TEXT) as server:
        assert Reply.of(path(chat_at(server, model=model), "hi")).version == version


# broken streams


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(TEXT, stop_after=3), "connection"),
        (Answer(TEXT, end_after=3), "bad_response"),
        (Answer(TEXT, stop_after=0), "connection"),
        (Answer(TEXT, error_after=3), "server"),
        (Answer(TEXT, error_after=3, error_code="odd"), "server"),
        (Answer(TEXT, error_after=3, error_code=429), "rate_limit"),
        (Answer(status=503), "server"),
        (Answer(TEXT, seconds=20), "timeout"),
    ],
)
@pytest.mark.parametrize("name", ["stream", "astream"])
def test_a_stream_that_breaks_is_a_typed_fault(answer: Answer, code: str, name: str) -> None:
    with ScriptedServer(lambda _: answer) as server:
        chat = chat_at(server, timeout=0.3 if answer.seconds else 20.0)
        fault = fault_of(lambda: PATHS[name](chat, "hi"))
    assert (fault.code, fault.retryable) == (code, True)


async def test_a_stream_may_be_left_early() -> None:
    with ScriptedServer(lambda _: Answer("many words " * 50, seconds=1)) as server:
        chat = chat_at(server)
        async with contextlib.aclosing(chat.astream("hi")) as stream:
            async for chunk in stream:
                if chunk.content:
                    break
        for chunk in chat.stream("hi"):
            if chunk.content:
                break
        assert Reply.of(await chat_at(server).ainvoke("hi")).text.startswith("many words")


async def test_a_stream_is_retried_whole() -> None:
    with ScriptedServer(lambda request: Answer(TEXT, stop_after=None if request.attempt else 3)) as server:
        model = resolve(f"vllm:m@{server.url}").at(Sampling(), seed=1, key="k")

        async def no_wait(seconds: float) -> None:
            assert seconds >= 0

        message = await call_with_retries(lambda: drained(model.astream("hi")), sleep=no_wait)
    assert Reply.of(message).token_ids == [token_id(piece) for piece in pieces(TEXT)]
    assert server.by_key == {"k": 2}


# the witness itself


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """URL and log of a server in a process of its own."""
    script = tmp_path / "script.py"
    script.write_text("def reply(request):\n    return Answer('seed ' + str(request.body['seed']), seconds=0.01)\n")
    port, log = tmp_path / "port", tmp_path / "log"
    server = Path(__file__).with_name("scripted_server.py")
    command = [sys.executable, str(server), "--port-file", str(port), "--log", str(log), "--script", str(script)]
    process = subprocess.Popen(command)
    try:
        until(port.exists, 20)
        yield f"http://127.0.0.1:{port.read_text()}/v1", log
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_the_witness_counts_by_key_in_its_own_process(witness: tuple[str, Path]) -> None:
    url, log = witness
    policy = resolve(f"vllm:m@{url}")
    for key, seed in (("a", 1), ("b", 2), ("a", 1)):
        assert policy.at(Sampling(), seed=seed, key=key).invoke("hi").content == f"seed {seed}"
    with urllib.request.urlopen(f"{url}/stats") as told:
        assert json.load(told) == {"requests": 3, "by_key": {"a": 2, "b": 1}}
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(e["event"], e["key"], e["attempt"]) for e in events] == [
        ("received", "a", 0),
        ("answered", "a", 0),
        ("received", "b", 0),
        ("answered", "b", 0),
        ("received", "a", 1),
        ("answered", "a", 1),
    ]
