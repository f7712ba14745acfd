"""Faults, retries, replies and records, over real HTTP on the loopback interface."""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from flowwright.policies import Policy, ProviderError, Reply, ReplyError, Retries, call_with_retries, classify, resolve
from flowwright.sampling import Sampling
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from scripted_server import Answer, Request, Script, ScriptedServer

OVERFLOW = (
    "This model's maximum context length is 1024 tokens. However, your request has 3001 input tokens. Please reduce "
    "the length of the input messages."
)


def policy_at(server: ScriptedServer, scheme: str = "vllm", timeout: float = 5.0) -> Policy:
    return resolve(f"{scheme}:m@{server.url}", timeout=timeout)


def failing(times: int, answer: Answer) -> Script:
    """Fails the first `times` requests of each key."""
    return lambda request: answer if request.attempt < times else "fine"


async def ask(
    policy: Policy, key: str = "k", retries: Retries | None = None, **options: Any
) -> tuple[Reply, list[float]]:
    """A call with retries, and the seconds it would have waited."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    model = policy.at(Sampling(), seed=3, key=key)
    message = await call_with_retries(lambda: model.ainvoke("hi"), retries=retries, sleep=note, **options)
    return Reply.of(message), waits


# which fault is it


@pytest.mark.parametrize("scheme", ["vllm", "openai"])
@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        (Answer(status=429), "rate_limit", True),
        (Answer(status=429, error_code="insufficient_quota"), "quota", False),
        (Answer(status=500), "server", True),
        (Answer(status=502, raw=b"<html>bad gateway</html>", content_type="text/html"), "server", True),
        (Answer(status=503), "server", True),
        (Answer(status=408), "timeout", True),
        (Answer(status=409), "server", True),
        (Answer(status=401), "authentication", False),
        (Answer(status=403), "permission", False),
        (Answer(status=404), "not_found", False),
        (Answer(status=400), "invalid_request", False),
        (Answer(status=422), "invalid_request", False),
        (Answer(status=418), "invalid_request", False),
        (Answer(status=400, message=OVERFLOW), "context_overflow", False),
        (Answer(status=400, message="prompt is too long: 9 > 8"), "context_overflow", False),
        (Answer(raw=b"<html>hello</html>", content_type="text/html"), "bad_response", True),
        (Answer(raw=b'{"id": "x", "cho'), "bad_response", True),
        (Answer(raw=b'{"id": "x", "model": "m", "choices": null}'), "bad_response", True),
        (Answer(raw=b'{"id": "x", "model": "m", "choices": []}'), "bad_response", True),
        (Answer(raw=b'{"error": "boom"}'), "bad_response", True),
        (Answer(stop_after=0), "connection", True),
        (Answer("late", seconds=3), "timeout", True),
    ],
)
async def test_each_failure_of_a_server_is_typed(answer: Answer, code: str, retryable: bool, scheme: str) -> None:
    with ScriptedServer(lambda _: answer) as server:
        policy = policy_at(server, scheme, timeout=0.3 if answer.seconds else 20)
        retries = Retries(attempts=3)
        with pytest.raises(ProviderError) as raised:
            await ask(policy, retries=retries)
        sync = classified(lambda: policy.at(Sampling(), seed=0, key="s").invoke("hi"))
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert sync.code == code
    assert server.by_key["k"] == raised.value.attempts == (3 if retryable else 1)
    assert "\n" not in str(raised.value)
    if answer.status >= 400:
        assert raised.value.status == answer.status


def classified(call: Callable[[], object]) -> ProviderError:
    try:
        call()
    except Exception as error:
        fault = classify(error)
        if fault is None:
            raise
        return fault
    raise AssertionError("the call did not fail")


@pytest.mark.parametrize("scheme", ["vllm", "openai"])
async def test_a_refused_connection_is_typed(scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        policy = resolve(f"{scheme}:m@http://127.0.0.1:{unused.getsockname()[1]}/v1", timeout=5)
        with pytest.raises(ProviderError) as raised:
            await ask(policy, retries=Retries(attempts=2))
        assert (raised.value.code, raised.value.attempts) == ("connection", 2)
        assert classified(lambda: policy.chat.invoke("hi")).code == "connection"
    assert raised.value.fix


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), OSError("disk"), RuntimeError("x"), json.JSONDecodeError("x", "", 0)]
)
async def test_what_is_no_provider_fault_propagates_untouched(error: Exception) -> None:
    async def call() -> None:
        raise error

    assert classify(error) is None
    with pytest.raises(type(error)) as raised:
        await call_with_retries(call)
    assert raised.value is error
    assert raised.value.__cause__ is None


def test_a_secret_that_a_server_repeats_does_not_reach_the_error() -> None:
    secret = "sk-live-abcdefghijkl"
    for leak in (f"Incorrect API key provided: {secret}.", f"header was: Bearer {secret}", f"http://u:{secret}@h"):
        with ScriptedServer(lambda _, leak=leak: Answer(status=401, message=leak)) as server:
            fault = classified(lambda: policy_at(server).chat.invoke("hi"))
        assert secret not in str(fault)


def test_errors_travel_between_processes() -> None:
    fault = ProviderError("late", code="timeout", status=408, retry_after=2.0)
    fault.attempts = 3
    for error in (fault, ReplyError("odd", code="no_json", expected="an object")):
        copy = pickle.loads(pickle.dumps(error))
        assert (str(copy), vars(copy)) == (str(error), vars(error))


# retries


@pytest.mark.parametrize("failure", [Answer(status=429), Answer(status=500), Answer(status=503), Answer(stop_after=0)])
async def test_what_may_pass_is_tried_again_with_the_same_request(failure: Answer) -> None:
    with ScriptedServer(failing(2, failure)) as server:
        reply, waits = await ask(policy_at(server), key="run-1/op-2")
    assert reply.text == "fine"
    assert len(waits) == 2
    assert server.by_key == {"run-1/op-2": 3}
    assert len({json.dumps(request.body) for request in server.requests}) == 1
    assert {request.body["seed"] for request in server.requests} == {3}
    assert {request.headers["x-stainless-retry-count"] for request in server.requests} == {"0"}


async def test_each_failed_attempt_is_told() -> None:
    told: list[tuple[str, int]] = []
    with ScriptedServer(failing(2, Answer(status=503))) as server:
        await ask(policy_at(server), on_fault=lambda fault, attempt: told.append((fault.code, attempt)))
    assert told == [("server", 1), ("server", 2)]


async def test_waits_grow_and_are_bounded() -> None:
    retries = Retries(attempts=8, first_wait=1.0, longest_wait=5.0)
    with ScriptedServer(failing(7, Answer(status=503))) as server:
        _, waits = await ask(policy_at(server), retries=retries)
    assert len(waits) == 7
    assert all(low <= wait <= low + 1 for low, wait in zip((1, 2, 4, 5, 5, 5, 5), waits, strict=True))


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after-ms": "2500"}, 2.5),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "-5"}, 0),
    ],
)
async def test_a_server_that_says_when_is_believed(headers: dict[str, str], least: float) -> None:
    with ScriptedServer(failing(1, Answer(status=429, headers=headers))) as server:
        _, waits = await ask(policy_at(server))
    assert len(waits) == 1
    assert least <= waits[0] <= max(90.0, least + 1)


async def test_a_server_that_names_a_time_is_believed() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with ScriptedServer(failing(1, Answer(status=429, headers={"retry-after": when}))) as server:
        _, waits = await ask(policy_at(server))
    assert 60 <= waits[0] <= 91


async def test_no_wait_begins_that_would_pass_the_deadline() -> None:
    answer = Answer(status=429, headers={"retry-after": "60"})
    with ScriptedServer(lambda _: answer) as server, pytest.raises(ProviderError) as raised:
        await ask(policy_at(server), retries=Retries(seconds=30))
    assert (raised.value.attempts, raised.value.retry_after) == (1, 60)


async def test_an_attempt_under_way_at_the_deadline_is_cancelled() -> None:
    begun = time.monotonic()
    with ScriptedServer(lambda _: Answer("late", seconds=20)) as server, pytest.raises(ProviderError) as raised:
        await ask(policy_at(server, timeout=30), retries=Retries(seconds=0.5))
    assert raised.value.code == "timeout"
    assert time.monotonic() - begun < 5


async def test_cancelling_a_call_is_not_a_fault() -> None:
    with ScriptedServer(lambda _: Answer("late", seconds=20)) as server:
        task = asyncio.create_task(ask(policy_at(server)))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(server.requests) == 1


# what is asked of a model


@pytest.mark.parametrize("scheme", ["vllm", "openai"])
async def test_sampling_seed_and_key_are_on_the_wire(scheme: str) -> None:
    with ScriptedServer("hello") as server:
        sampling = Sampling(temperature=0.7, max_tokens=11, top_p=0.9)
        await policy_at(server, scheme).at(sampling, seed=42, key="a/b/c").ainvoke("hi")
    body, headers = server.requests[0].body, server.requests[0].headers
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.7, 0.9, 42)
    assert body["max_completion_tokens" if scheme == "vllm" else "max_tokens"] == 11
    assert headers["x-request-id"] == headers["idempotency-key"] == "a/b/c"


async def test_what_is_left_to_the_server_is_not_sent() -> None:
    with ScriptedServer("hello") as server:
        await policy_at(server).at(Sampling(max_tokens=None), seed=1, key="k").ainvoke("hi")
    assert not {"max_tokens", "max_completion_tokens", "top_p"} & server.requests[0].body.keys()


@pytest.mark.parametrize("key", ["schlüssel/1", "a b", "x" * 5000, "line\nbreak", ""])
async def test_any_key_travels_and_stays_itself(key: str) -> None:
    with ScriptedServer("hello") as server:
        for one in (key, key, key + "!"):
            await policy_at(server).at(Sampling(), seed=1, key=one).ainvoke("hi")
    assert sorted(server.by_key.values()) == [1, 2]


async def test_a_reasoning_model_is_asked_without_temperature() -> None:
    with ScriptedServer("hello") as server:
        for model in ("gpt-5-mini", "gpt-4.1-mini"):
            await resolve(f"openai:{model}@{server.url}").at(Sampling(), seed=1, key="k").ainvoke("hi")
    assert ["temperature" in request.body for request in server.requests] == [False, True]


class Understanding(BaseChatModel):
    """A provider's class that knows temperature and a limit of another name, and no seed."""

    temperature: float = 1.0
    num_predict: int | None = None
    seen: list[tuple[float, int | None, dict[str, Any]]] = []  # noqa: RUF012

    @property
    def _llm_type(self) -> str:
        return "understanding"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self.seen.append((self.temperature, self.num_predict, kwargs))
        return FakeListChatModel(responses=["ok"])._generate(messages)


def test_a_class_is_asked_only_for_what_it_has_and_is_not_changed() -> None:
    chat = Understanding()
    schema = {"type": "object"}
    Policy("p", chat).at(Sampling(0.3, 9, 0.5), seed=1, key="k", schema=schema).invoke("hi")
    assert chat.seen == [(0.3, 9, {})]
    assert (chat.temperature, chat.num_predict) == (1.0, None)
    plain = FakeListChatModel(responses=["ok"])
    assert Policy("p", plain).at(Sampling(), seed=1, key="k").invoke("hi").content == "ok"


async def test_an_offline_policy_draws_by_the_calls_seed() -> None:
    policy = resolve("offline:1")
    texts = {seed: (await policy.at(Sampling(), seed=seed, key="k").ainvoke("hi")).text for seed in (1, 1, 2)}
    again = (await policy.at(Sampling(), seed=1, key="other").ainvoke("hi")).text
    assert again == texts[1]


@pytest.mark.parametrize("own", [True, False])
async def test_openai_is_constrained_in_the_body_and_a_cut_reply_stays_a_reply(own: bool) -> None:
    schema = {"type": "object", "properties": {"finish": {"type": "string"}}}
    with ScriptedServer('{"finish": "a b c d"}') as server:
        chat = ChatOpenAI(model="m", base_url=server.url, api_key="x", max_retries=0, extra_body={"mine": 1}, timeout=5)
        policy = Policy("p", chat if own else policy_at(server, "openai").chat, constrain="openai")
        model = policy.at(Sampling(max_tokens=2), seed=1, key="k", schema=schema)
        reply = Reply.of(await model.ainvoke("hi"))
        assert Reply.of(await policy.at(Sampling(), seed=1, key="k").ainvoke("hi")).finish_reason == "stop"
    form = server.requests[0].body["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "action", "schema": schema, "strict": False}}
    assert (reply.finish_reason, reply.text, reply.output_tokens) == ("length", '{"finish": "a', 2)
    assert ("mine" in server.requests[0].body) is own
    assert "response_format" not in server.requests[1].body


async def test_a_slow_reply_is_waited_for_by_many_at_once() -> None:
    def script(request: Request) -> Answer:
        return Answer(request.prompt, seconds=0.2)

    with ScriptedServer(script) as server:
        policy = policy_at(server, timeout=20)
        models = [policy.at(Sampling(), seed=n, key=f"op/{n}") for n in range(128)]
        begun = time.monotonic()
        calls: list[Awaitable[AIMessage]] = [model.ainvoke(f"prompt {n}") for n, model in enumerate(models)]
        replies = [Reply.of(message) for message in await asyncio.gather(*calls)]
    assert [reply.text for reply in replies] == [f"prompt {n}" for n in range(128)]
    assert [reply.sent and reply.sent["seed"] for reply in replies] == list(range(128))
    assert set(server.by_key.values()) == {1}
    assert server.busiest > 16
    assert time.monotonic() - begun < 128 * 0.2 / 2
