"""A recorded model does what the model does, and every provider call of it leaves a record, whatever became of it."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flowwright import UsageError
from flowwright.checkpoints.recording.recorder import recorded, recording
from flowwright.policies import ChatVLLM, resolve
from flowwright.policies.capture import original
from flowwright.policies.recorded import RecordedOpenAI
from flowwright.policies.reply import RECORD
from flowwright.policies.transport import async_client
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel, SecretStr
from scripted_server import Answer, Request, ScriptedServer, pieces, prompt_ids, token_id

TEXT = "The answer {is} forty two."
IDS = [token_id(piece) for piece in pieces(TEXT)]


def chat_at(server: ScriptedServer, kind: type[ChatOpenAI] = ChatOpenAI, **options: Any) -> ChatOpenAI:
    settings = {"model": "m", "base_url": server.url, "api_key": SecretStr("x"), "timeout": 5.0, "max_retries": 0}
    return kind(**settings | {"http_async_client": async_client()} | options)  # one that serves several event loops


class Told:
    """A model that tells a list of its calls."""

    def __init__(self, model: BaseChatModel) -> None:
        self.records: list[dict[str, Any]] = []
        self.model: Any = recorded(model, sink=self.records.append)

    @property
    def last(self) -> dict[str, Any]:
        return self.records[-1]


async def drained(model: Any, prompt: str) -> AIMessageChunk:
    chunks = [chunk async for chunk in model.astream(prompt)]
    return sum(chunks[1:], start=chunks[0])


def streamed(model: Any, prompt: str) -> AIMessageChunk:
    chunks = list(model.stream(prompt))
    return sum(chunks[1:], start=chunks[0])


PATHS: dict[str, Callable[[Any, str], AIMessage]] = {
    "invoke": lambda chat, prompt: chat.invoke(prompt),
    "ainvoke": lambda chat, prompt: asyncio.run(chat.ainvoke(prompt)),
    "stream": streamed,
    "astream": lambda chat, prompt: asyncio.run(drained(chat, prompt)),
    "batch": lambda chat, prompt: chat.batch([prompt])[0],
    "streaming": lambda chat, prompt: chat.invoke(prompt, stream=True),
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def plain(message: AIMessage) -> dict[str, Any]:
    """A message without what differs from call to call."""
    told = message.model_dump()
    told["response_metadata"].pop("id", None)
    return told | {"id": None}


# the model is the user's


@every_path
def test_a_recorded_model_says_what_the_model_says(path: Callable[[Any, str], AIMessage]) -> None:
    with ScriptedServer(TEXT) as server:
        model = chat_at(server, temperature=0.5, seed=3)
        mine, theirs = path(Told(model).model, "hi"), path(model, "hi")
        asked = [dict(request.body) for request in server.requests]
    assert plain(mine) == plain(theirs)
    assert asked[0].pop("return_token_ids") is True
    assert asked[0].pop("logprobs") is True
    assert asked[0] == asked[1]


def test_a_recorded_model_is_of_the_users_class_and_settings() -> None:
    model = ChatOpenAI(model="m", base_url="http://127.0.0.1:1/v1", api_key="x", temperature=0.3)
    made = recorded(model)
    assert isinstance(made, ChatOpenAI)
    assert (type(made).__name__, type(made).__module__) == (type(model).__name__, type(model).__module__)
    assert made.model_dump() == model.model_dump()
    assert (made.lc_id(), made._get_ls_params(), made._llm_type) == (
        model.lc_id(),
        model._get_ls_params(),
        model._llm_type,
    )
    assert made.model_copy(update={"temperature": 1.0}).temperature == 1.0
    assert original(made) == model
    assert original(made).client is model.client
    assert original(recorded(made)) == model
    assert type(original(made)) is ChatOpenAI


def test_a_copy_of_a_recorded_model_is_recorded() -> None:
    with ScriptedServer(TEXT) as server:
        told = Told(GenericFakeChatModel(messages=iter([AIMessage("a"), AIMessage("b")])))
        told.model.model_copy().invoke("hi")
        other = Told(chat_at(server))
        other.model.model_copy(update={"model_name": "n"}).invoke("hi")
        copy.copy(other.model).bind(temperature=0.1).invoke("hi")
    assert [one["reply"] for one in told.records] == ["a"]
    assert [(one["model"], one["sampling"]) for one in other.records] == [("n", {}), ("m", {"temperature": 0.1})]


@pytest.mark.parametrize("thing", [lambda text: text, "gpt-4", None])
def test_what_is_no_chat_model_is_refused(thing: Any) -> None:
    with pytest.raises(UsageError, match="is no chat model"):
        recorded(thing)
    with ScriptedServer(TEXT) as server, pytest.raises(UsageError, match="before bind_tools"):
        recorded(chat_at(server).bind(stop=["x"]))  # type: ignore[type-var]


def test_only_a_recorded_model_has_a_recording() -> None:
    with pytest.raises(UsageError, match="not recorded"):
        recording(GenericFakeChatModel(messages=iter([])))


# the record


@every_path
def test_every_path_records_the_tokens_that_were_sampled(path: Callable[[Any, str], AIMessage]) -> None:
    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server, temperature=0.5, max_tokens=50))
        message = path(told.model, "what is it")
        body = server.requests[0].body
    (record,) = told.records
    assert (record["reply"], record["token_ids"]) == (TEXT, IDS)
    assert record["logprobs"] == [-(n + 1) / 8 for n in range(len(IDS))]
    assert record["prompt"]["ids"] == prompt_ids(body)
    assert record["prompt"]["rest"] == [{"role": "user", "content": "what is it"}]
    assert (record["input_tokens"], record["output_tokens"]) == (len(prompt_ids(body)), len(IDS))
    assert (record["finish_reason"], record["model"], record["estimated"], record["incomplete"]) == (
        "stop",
        "m",
        False,
        False,
    )
    assert (record["error"], record["task"], record["constrained"], record["schema"]) == (None, None, False, None)
    assert record["sampling"]["temperature"] == 0.5
    assert "logprobs" not in str({**message.response_metadata, "logprobs": None}).replace("'logprobs': None", "")
    assert "token_ids" not in str(message)


def test_what_was_sent_is_what_arrived() -> None:
    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server, seed=7, extra_body={"top_k": 3, "metadata": {"api_key": "secret"}}))
        told.model.invoke("hi", stop=["END"])
        body = server.requests[0].body
    sent = told.last["sent"]
    assert {name: sent[name] for name in body if name not in ("messages", "metadata")} == {
        name: value for name, value in body.items() if name not in ("messages", "metadata")
    }
    assert sent["metadata"] == {"api_key": "<redacted>"}
    assert sent["messages"]["count"] == 1


def test_the_users_own_logprobs_stay_in_the_message() -> None:
    with ScriptedServer(TEXT) as server:
        model = chat_at(server, logprobs=True, top_logprobs=2)
        told = Told(model)
        mine, theirs = told.model.invoke("hi"), model.invoke("hi")
        streamed_by_us = streamed(told.model, "hi")
    assert len(mine.response_metadata["logprobs"]["content"]) == len(IDS)
    assert mine.response_metadata["logprobs"] == theirs.response_metadata["logprobs"]
    assert len(streamed_by_us.response_metadata["logprobs"]["content"]) == len(IDS)
    assert told.last["token_ids"] == IDS


def test_each_of_several_choices_is_a_record() -> None:
    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server, n=3))
        result = told.model.generate([[HumanMessage("hi")]])
        with pytest.raises(UsageError, match="n=1"):
            list(told.model.stream("hi"))
    assert len(result.generations[0]) == 3
    assert [one["token_ids"] for one in told.records[:3]] == [IDS] * 3
    assert len({one["id"] for one in told.records}) == 4
    assert [one["prompt"]["parent"] for one in told.records[1:3]] == [told.records[n]["id"] for n in (0, 1)]
    assert [one["output_tokens"] for one in told.records[:3]] == [len(IDS)] * 3


@pytest.mark.parametrize("refusal", [400, 422])
def test_a_server_that_refuses_the_question_for_tokens_is_asked_as_the_user_asked(refusal: int) -> None:
    def strict(request: Request) -> Answer:
        unknown = "return_token_ids" in request.body
        return Answer(status=refusal, message="unknown field return_token_ids") if unknown else Answer(TEXT)

    with ScriptedServer(strict) as server:
        told = Told(chat_at(server))
        said = [told.model.invoke("hi").content, streamed(told.model, "hi").content]
        asked = ["return_token_ids" in request.body for request in server.requests]
    assert said == [TEXT, TEXT]
    assert asked == [True, False, False]
    assert [(one["token_ids"], one["incomplete"], one["error"]) for one in told.records] == [(None, False, None)] * 2


def test_a_users_own_bad_request_raises_what_it_raised() -> None:
    with ScriptedServer(lambda _: Answer(status=400, message="context too long")) as server:
        told, model = Told(chat_at(server)), chat_at(server)
        with pytest.raises(Exception, match="context too long") as theirs:
            model.invoke("hi")
        with pytest.raises(type(theirs.value), match="context too long"):
            told.model.invoke("hi")
    assert told.last["token_ids"] is None
    assert "context too long" in told.last["error"]


def test_no_token_ids_from_a_server_that_ignores_the_question_is_incomplete() -> None:
    with ScriptedServer(lambda _: Answer(TEXT, token_ids=False)) as server:
        told = Told(chat_at(server))
        told.model.invoke("hi")
    assert (told.last["token_ids"], told.last["logprobs"], told.last["incomplete"]) == (None, None, True)


# replies that cannot be used as they came


class Finish(BaseModel):
    """Say which."""

    finish: str


@pytest.mark.parametrize("name", ["invoke", "ainvoke", "stream", "astream"])
def test_a_cut_structured_answer_raises_as_ever_and_keeps_all_its_tokens(name: str) -> None:
    with ScriptedServer('{"finish": "a b c d"}') as server:
        model = chat_at(server, max_tokens=3)
        told = Told(model)
        errors = []
        for one in (model, told.model):
            structured = one.with_structured_output(Finish, method="json_schema")
            with pytest.raises(Exception) as raised:  # noqa: PT011
                PATHS[name](structured, "hi")
            errors.append(type(raised.value))
    assert errors[0] is errors[1]
    assert told.last["token_ids"] == [token_id(piece) for piece in ['{"finish":', ' "a', " b"]]
    assert (told.last["finish_reason"], told.last["constrained"]) == ("length", True)
    assert errors[0].__name__ in told.last["error"]
    assert told.last["sent"]["response_format"]["definition"]["json_schema"]["name"] == "Finish"


@pytest.mark.parametrize("schema", [Finish, Finish.model_json_schema()], ids=["class", "dict"])
@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
def test_structured_output_works_and_is_recorded(schema: Any, method: Any) -> None:
    calls = (("c1", "Finish", '{"finish": "a"}'),) if method == "function_calling" else ()
    with ScriptedServer(lambda _: Answer('{"finish": "a"}', tool_calls=calls)) as server:
        told = Told(chat_at(server))
        made = told.model.with_structured_output(schema, method=method).invoke("as json")
    assert (made if isinstance(made, dict) else made.model_dump()) == {"finish": "a"}
    assert (len(told.last["token_ids"]), told.last["constrained"]) == (2, True)


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@pytest.mark.parametrize("arguments", ["12", "[1]", '"x"'])
def test_a_malformed_tool_call_raises_as_ever_and_keeps_its_tokens(arguments: str) -> None:
    def calling(_: Request) -> Answer:
        return Answer("<tool_call> add", tool_calls=(("c1", "add", arguments),), finish_reason="tool_calls")

    with ScriptedServer(calling) as server:
        model = chat_at(server)
        told = Told(model)
        with pytest.raises(Exception) as theirs:  # noqa: PT011
            model.bind_tools([add]).invoke("hi")
        with pytest.raises(type(theirs.value)):
            told.model.bind_tools([add]).invoke("hi")
    assert told.last["token_ids"] == [token_id("<tool_call>"), token_id(" add")]
    assert told.last["message"]["tool_calls"][0]["function"] == {"name": "add", "arguments": arguments}
    assert type(theirs.value).__name__ in told.last["error"]


@pytest.mark.parametrize("name", ["invoke", "stream", "astream"])
def test_a_tool_call_is_recorded_as_the_next_prompt_repeats_it(name: str) -> None:
    def calling(_: Request) -> Answer:
        return Answer("<tool_call> add", tool_calls=(("c1", "add", '{"a": 1, "b": 2}'),), finish_reason="tool_calls")

    with ScriptedServer(calling) as server:
        told = Told(chat_at(server))
        bound = told.model.bind_tools([add])

        def loop(state: MessagesState) -> dict[str, Any]:
            said = PATHS[name](bound, "hi")
            bound.invoke([("user", "hi"), said, {"role": "tool", "tool_call_id": "c1", "content": "3"}])
            return {"messages": [said]}

        graph = StateGraph(MessagesState).add_node("loop", loop).add_edge(START, "loop").compile(InMemorySaver())
        said = graph.invoke({"messages": []}, {"configurable": {"thread_id": "t"}})["messages"][-1]
    assert said.tool_calls[0]["args"] == {"a": 1, "b": 2}
    first, second = told.records
    assert second["prompt"]["parent"] == first["id"]
    assert second["prompt"]["messages"] == 2
    assert [message["role"] for message in second["prompt"]["rest"]] == ["tool"]
    assert first["sent"]["tools"]["definition"][0]["function"]["name"] == "add"
    assert second["sent"]["tools"] == {"digest": first["sent"]["tools"]["digest"]}


@pytest.mark.parametrize("name", ["stream", "astream"])
def test_a_broken_stream_keeps_the_tokens_that_came(name: str) -> None:
    with ScriptedServer(lambda _: Answer(TEXT, stop_after=3)) as server:
        told = Told(chat_at(server))
        with pytest.raises(Exception) as raised:  # noqa: PT011
            PATHS[name](told.model, "hi")
    assert told.last["token_ids"] == IDS[:2]
    assert told.last["reply"] == "The answer"
    assert type(raised.value).__name__ in told.last["error"]


def test_a_stream_that_is_left_is_recorded_when_it_is_left() -> None:
    async def leave(model: Any) -> None:
        stream = model.astream("hi")
        async for chunk in stream:
            if chunk.content:
                break
        await stream.aclose()

    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server))
        stream = told.model.stream("hi")
        assert [next(stream).content, next(stream).content] == ["", "The"]
        stream.close()
        asyncio.run(leave(told.model))
    assert [one["token_ids"] for one in told.records] == [IDS[:1]] * 2
    assert all("GeneratorExit" in one["error"] for one in told.records)


def test_two_streams_in_one_thread_do_not_mix() -> None:
    with ScriptedServer(lambda request: Answer(f"{request.prompt} is what you said")) as server:
        told = Told(chat_at(server))
        both = zip(told.model.stream("red"), told.model.stream("blue"), strict=True)
        assert len(list(both)) > 4
    assert sorted(one["reply"] for one in told.records) == ["blue is what you said", "red is what you said"]
    for one in told.records:
        assert one["token_ids"] == [token_id(piece) for piece in pieces(one["reply"])]


async def test_forty_calls_at_once_keep_their_tokens() -> None:
    with ScriptedServer(lambda request: Answer(f"{request.prompt} again")) as server:
        told = Told(chat_at(server))
        await asyncio.gather(
            *(told.model.ainvoke(f"word{n}") for n in range(20)), *(drained(told.model, f"word{n}") for n in range(20))
        )
    assert len(told.records) == len({one["id"] for one in told.records}) == 40
    for one in told.records:
        assert one["reply"] == one["prompt"]["rest"][0]["content"] + " again"
        assert one["token_ids"] == [token_id(piece) for piece in pieces(one["reply"])]


@pytest.mark.parametrize("status", [429, 503])
def test_the_sdks_own_retries_stay_and_are_told(status: int) -> None:
    def flaky(request: Request) -> Answer:
        failing = request.number < 2
        return Answer(status=status, headers={"retry-after-ms": "1"}) if failing else Answer(TEXT)

    with ScriptedServer(flaky) as server:
        told = Told(chat_at(server, max_retries=2))
        told.model.invoke("hi")
    (record,) = told.records
    assert (record["sent"]["retries"], record["error"], record["token_ids"]) == (2, None, IDS)


def test_each_attempt_of_langchains_retry_is_a_record() -> None:
    with ScriptedServer(lambda request: Answer(TEXT, status=200 if request.number else 503)) as server:
        told = Told(chat_at(server))
        told.model.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke("hi")
    assert [(bool(one["error"]), one["token_ids"]) for one in told.records] == [(True, None), (False, IDS)]


def test_an_answer_from_langchains_cache_is_no_call() -> None:
    from langchain_core.caches import InMemoryCache

    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server, cache=InMemoryCache()))
        assert [told.model.invoke("hi").content for _ in range(2)] == [TEXT, TEXT]
    assert len(told.records) == 1


# models that are not OpenAI's


def fake(*texts: str) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage(text) for text in texts]))


@pytest.mark.parametrize("name", ["invoke", "ainvoke", "stream", "astream", "batch"])
def test_any_chat_model_is_recorded_once_a_call_without_ids(name: str) -> None:
    told = Told(fake("alpha beta"))
    assert PATHS[name](told.model, "hi there").content == "alpha beta"
    (record,) = told.records
    assert (record["reply"], record["token_ids"], record["incomplete"]) == ("alpha beta", None, False)
    assert record["prompt"]["rest"] == [{"role": "user", "content": "hi there"}]
    assert (record["estimated"], record["output_tokens"]) == (True, 3)


def test_tool_calls_and_usage_of_any_model_are_recorded() -> None:
    called = AIMessage(
        "", tool_calls=[{"id": "c", "name": "add", "args": {"a": 1}}],
        usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}, response_metadata={"stop_reason": "tool_use"},
    )  # fmt: skip
    told = Told(GenericFakeChatModel(messages=iter([called])))
    told.model.invoke("hi", tools=[{"type": "function"}])
    assert told.last["message"]["tool_calls"][0]["function"]["name"] == "add"
    assert (told.last["input_tokens"], told.last["output_tokens"], told.last["estimated"]) == (5, 2, False)
    assert told.last["finish_reason"] == "tool_use"
    assert told.last["sent"]["tools"]["definition"] == [{"type": "function"}]


class Broken(GenericFakeChatModel):
    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no model here")


def test_an_error_of_any_model_is_its_own_and_recorded() -> None:
    told = Told(Broken(messages=iter([])))
    with pytest.raises(RuntimeError, match="no model here"):
        told.model.invoke("hi")
    assert told.last["error"] == "RuntimeError: no model here"


@pytest.mark.parametrize("name", ["invoke", "ainvoke", "stream", "astream"])
def test_our_own_classes_give_their_own_record_once(name: str) -> None:
    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server, ChatVLLM, logprobs_mode="processed"))
        message = PATHS[name](told.model, "hi")
    (record,) = told.records
    assert (record["token_ids"], record["logprobs_mode"], record["incomplete"]) == (IDS, "processed", False)
    assert record["prompt"]["ids"] == prompt_ids(server.requests[0].body)
    assert RECORD not in message.response_metadata
    assert len(server.requests) == 1


def test_our_openai_class_is_not_asked_for_tokens() -> None:
    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server, RecordedOpenAI))
        told.model.invoke("hi")
    assert "return_token_ids" not in server.requests[0].body
    assert (told.last["token_ids"], told.last["sent"]["model"]) == (None, "m")


def test_openai_itself_is_not_asked_for_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    from flowwright.policies import wire

    monkeypatch.setattr(wire, "_OFFICIAL", "127.0.0.1")
    with ScriptedServer(TEXT) as server:
        told = Told(chat_at(server))
        told.model.invoke("hi")
    assert {"return_token_ids", "logprobs"}.isdisjoint(server.requests[0].body)
    assert (told.last["reply"], told.last["incomplete"], told.last["output_tokens"]) == (TEXT, False, len(IDS))


# what our own graphs make of it


def test_a_policy_is_the_model_itself() -> None:
    with ScriptedServer(TEXT) as server:
        model = chat_at(server)
        policy = resolve(recorded(model))
        assert type(policy.chat) is ChatOpenAI
        assert policy.name == resolve(model).name


# nothing that goes wrong here reaches the user


def test_a_call_without_graph_and_sink_is_lost_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    model = recorded(fake("a", "b"))
    assert [model.invoke("hi").content for _ in range(2)] == ["a", "b"]
    assert (recording(model).lost, recording(model).orphans, recording(model).stored) == (2, 2, 0)
    assert len([one for one in caplog.messages if "outside a graph" in one and "sink=" in one]) == 1


def test_a_sink_that_raises_does_not_reach_the_user(caplog: pytest.LogCaptureFixture) -> None:
    def full(record: dict[str, Any]) -> None:
        raise OSError("disk full")

    model = recorded(fake("a"), sink=full)
    assert model.invoke("hi").content == "a"
    assert (recording(model).lost, recording(model).sunk) == (1, 0)
    assert any("OSError in the sink" in one for one in caplog.messages)


def test_records_from_many_threads_are_all_there() -> None:
    told = Told(fake(*"abcdefgh"))
    threads = [threading.Thread(target=told.model.invoke, args=("hi",)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one["reply"] for one in told.records) == list("abcdefgh")
    assert recording(told.model).sunk == 8


def test_a_reply_that_cannot_be_read_does_not_reach_the_user() -> None:
    odd = b'{"id": "x", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}, "logprobs": {"content": [{"token": "a"}]}}]}'
    with ScriptedServer(lambda _: Answer(raw=odd)) as server:
        told = Told(chat_at(server))
        assert told.model.invoke("hi").content == "ok"
    assert "not readable" in told.last["error"]
    assert told.last["incomplete"]
