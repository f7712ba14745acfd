"""A conversation that goes on keeps the tokens that were sampled: the bridge of `ChatVLLM`, against a server whose
tokenizer never gives a sampled reply its own tokens back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import pytest
from flowwright.policies import ChatVLLM, ProviderError, Reply, classify, resolve, server_probe
from flowwright.policies.prefix import Prefix
from flowwright.policies.reply import RECORD
from flowwright.sampling import Sampling
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel
from scripted_server import Answer, Request, ScriptedServer
from scripted_template import END, START, Template

Call = Callable[..., AIMessage]


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


PATHS: dict[str, Call] = {
    "invoke": lambda chat, said, **more: chat.invoke(said, **more),
    "ainvoke": lambda chat, said, **more: asyncio.run(chat.ainvoke(said, **more)),
    "stream": lambda chat, said, **more: merged(list(chat.stream(said, **more))),
    "astream": lambda chat, said, **more: asyncio.run(drained(chat.astream(said, **more))),
    "bind": lambda chat, said, **more: chat.bind(**more).invoke(said),
    "batch": lambda chat, said, **more: chat.batch([said], **more)[0],
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def tokens_of(message: BaseMessage) -> tuple[list[int], list[int]]:
    """What was read and what was sampled."""
    reply = Reply.of(message)
    assert reply.prompt_token_ids is not None
    assert reply.token_ids is not None
    return reply.prompt_token_ids, reply.token_ids


def prefix_of(said: Sequence[BaseMessage], message: BaseMessage) -> Prefix:
    """That of the conversation that `message` ends."""
    read, sampled = tokens_of(message)
    return Prefix(len(said) + 1, read + sampled)


def begun(chat: ChatVLLM, path: Call = PATHS["invoke"], question: str = "what now") -> tuple[list[BaseMessage], Prefix]:
    """A conversation of two turns whose second is to be answered, and the tokens of the first."""
    said: list[BaseMessage] = [HumanMessage(question)]
    message = path(chat, said)
    return [*said, message, HumanMessage("and then")], prefix_of(said, message)


def echo(request: Request) -> str:
    return f"you said {request.prompt} at {len(request.messages)}"


# what is sent


@every_path
@pytest.mark.parametrize("system", [None, "You are a default nobody asked for."])
def test_every_turn_begins_with_the_tokens_of_the_last(path: Call, system: str | None) -> None:
    with ScriptedServer(echo, template=Template(system=system)) as server:
        chat = chat_at(server)
        said: list[BaseMessage] = [SystemMessage("be kind"), HumanMessage("hi there")]
        message = path(chat, said)
        for turn in range(4):
            prefix = prefix_of(said, message)
            said += [message, HumanMessage(f"turn {turn}")]
            message = path(chat, said, prefix=prefix)
            assert message.text == f"you said  turn {turn} at {2 * turn + 4}".replace("  ", " ")
            read, _ = tokens_of(message)
            added = [START, "user", "turn", f" {turn}", END, START, "assistant"]
            assert read == prefix.ids + [server.template.id(piece) for piece in added]
    assert [request.path for request in server.requests] == ["/v1/chat/completions", *["/v1/completions"] * 4]
    assert server.requests[-1].body["prompt"] == read


def test_without_the_bridge_the_tokens_would_be_others() -> None:
    with ScriptedServer(echo, template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        read, _ = tokens_of(chat.invoke(said))
        assert chat.invoke(said).text == chat.invoke(said, prefix=prefix).text
    assert read[: len(prefix.ids)] != prefix.ids


@every_path
def test_a_reply_that_was_cut_gets_the_end_it_did_not_have(path: Call) -> None:
    with ScriptedServer("a long story", template=Template()) as server:
        chat = chat_at(server, max_tokens=4)
        said, prefix = begun(chat, path)
        end = server.template.id(END)
        assert prefix.ids[-1] != end
        message = path(chat, said, prefix=prefix)
        read, sampled = tokens_of(message)
    assert read[len(prefix.ids)] == end
    assert (Reply.of(message).finish_reason, len(sampled), message.text) == ("length", 4, "a lo")


def test_a_reply_that_ended_by_itself_has_one_end() -> None:
    with ScriptedServer("story", template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        end = server.template.id(END)
        assert prefix.ids[-1] == end
        read, _ = tokens_of(chat.invoke(said, prefix=prefix))
    assert read[len(prefix.ids)] == server.template.id(START)


def test_a_template_that_renders_the_last_reply_otherwise_is_bridged_as_it_renders_earlier_ones() -> None:
    with ScriptedServer(echo, template=Template(thinks=True)) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        read, _ = tokens_of(chat.invoke(said, prefix=prefix))
    assert read[: len(prefix.ids)] == prefix.ids
    assert server.template.messages(read)[-1] == {"role": "user", "content": "and then"}


_said = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(_said, _said, st.integers(1, 9)), min_size=1, max_size=4))
def test_any_conversation_is_bridged_exactly(turns: list[tuple[str, str, int]]) -> None:
    replies = iter([reply for _, reply, _ in turns])
    with ScriptedServer(lambda _: next(replies), template=Template()) as server:
        chat = chat_at(server)
        said: list[BaseMessage] = []
        prefix: Prefix | None = None
        for question, _, limit in turns:
            said.append(HumanMessage(question))
            message = chat.invoke(said, prefix=prefix, max_tokens=limit)
            read, sampled = tokens_of(message)
            assert prefix is None or read[: len(prefix.ids)] == prefix.ids
            said.append(message)
            prefix = Prefix(len(said), read + sampled)
        assert [request.path.removeprefix("/v1") for request in server.requests][1:] == ["/completions"] * (
            len(turns) - 1
        )
        assert server.template.messages([*prefix.ids, server.template.id(START)]) or not prefix


# what comes back


@every_path
def test_a_bridged_reply_has_all_that_a_chat_completion_has(path: Call) -> None:
    def shape(message: AIMessage) -> dict[str, Any]:
        metadata = {**message.response_metadata, RECORD: set(message.response_metadata[RECORD])}
        usage = message.usage_metadata and message.usage_metadata["output_tokens"]
        fields = message.model_dump(exclude={"id", "response_metadata", "usage_metadata"})
        return fields | {"usage": usage, "metadata": {name: metadata[name] for name in metadata if name not in _OWN}}

    with ScriptedServer("one two", template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        plain, bridged = path(chat, said), path(chat, said, prefix=prefix)
    assert shape(bridged) == shape(plain)
    reply = Reply.of(bridged)
    assert (reply.text, reply.finish_reason, reply.model, reply.tokens_incomplete) == ("one two", "stop", "m", False)
    assert reply.logprobs == [-(n + 1) / 8 for n in range(8)]
    assert (reply.input_tokens, reply.output_tokens) == (len(reply.prompt_token_ids or []), 8)
    assert reply.logprobs_mode == "processed"


_OWN = {"id", "token_usage", "system_fingerprint"}


def test_a_bridged_stream_comes_in_pieces() -> None:
    with ScriptedServer("one two", template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        spoken = [str(chunk.content) for chunk in chat.stream(said, prefix=prefix) if chunk.content]
    assert spoken == list("one two")


@pytest.mark.parametrize("name", ["invoke", "ainvoke", "stream", "astream"])
def test_sampling_seed_schema_and_key_are_on_the_wire(name: str) -> None:
    schema = {"type": "object"}
    with ScriptedServer('{"a": 1}', template=Template()) as server:
        policy = resolve(f"vllm:m@{server.url}")
        assert policy.bridges
        said, prefix = begun(chat_at(server))
        model = policy.at(Sampling(0.5, 200, 0.9), seed=42, key="a/b", schema=schema, prefix=prefix)
        reply = Reply.of(PATHS[name](model, said))
        request = server.requests[-1]
    body = request.body
    wanted = {"model": "m", "temperature": 0.5, "top_p": 0.9, "seed": 42, "max_tokens": 200, "logprobs": 0}
    assert {field: body[field] for field in wanted} == wanted
    assert (body["structured_outputs"], body["return_token_ids"]) == ({"json": schema}, True)
    assert not {"messages", "max_completion_tokens", "top_logprobs"} & body.keys()
    assert request.headers["x-request-id"] == request.headers["idempotency-key"] == "a/b"
    assert reply.sent is not None
    assert reply.sent["prompt"]["count"] == len(body["prompt"]) == reply.input_tokens
    assert set(reply.sent) == (body.keys() | {"key"})
    assert reply.constrained


def test_without_a_limit_a_reply_may_be_as_long_as_the_context_allows() -> None:
    text = "x" * 100
    with ScriptedServer(text, template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        assert chat.invoke(said, prefix=prefix).text == text
        body = server.requests[-1].body
    assert body["max_tokens"] == 100_000 - len(body["prompt"])


@pytest.mark.parametrize(("options", "missing"), [({"return_token_ids": False}, None), ({}, True)])
def test_tokens_that_do_not_come_back(options: dict[str, Any], missing: bool | None) -> None:
    template = Template()
    with ScriptedServer(lambda r: Answer("x", token_ids=r.number == 0), template=template) as server:
        said, prefix = begun(chat_at(server))
        reply = Reply.of(chat_at(server, **options).invoke(said, prefix=prefix))
    assert server.requests[-1].path == "/v1/completions"
    assert (reply.text, reply.token_ids, reply.tokens_incomplete) == ("x", None, bool(missing))


def test_each_of_several_bridged_choices_has_its_own_tokens() -> None:
    with ScriptedServer("abc", template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        result = chat.bind(n=3, prefix=prefix).bound.generate([said], n=3, prefix=prefix)
    replies = [Reply.of(generation.message) for generation in result.generations[0]]
    assert [len(reply.token_ids or []) for reply in replies] == [4, 4, 4]
    assert len({tuple(reply.prompt_token_ids or []) for reply in replies}) == 1


# faults


def fault_of(call: Callable[[], object]) -> ProviderError:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        call()
    fault = classify(raised.value)
    assert fault is not None, raised.value
    return fault


FAULTS = [
    (Answer(status=503), "server"),
    (Answer(status=429), "rate_limit"),
    (Answer(status=401), "authentication"),
    (Answer(status=400, message="This model's maximum context length is 9 tokens"), "context_overflow"),
    (Answer(status=400), "invalid_request"),
    (Answer("x", seconds=20), "timeout"),
    (Answer("x", stop_after=0), "connection"),
    (Answer("x", model="other"), "wrong_model"),
    (Answer("x", model=None), "wrong_model"),
    (Answer(raw=b'{"choices": []}'), "bad_response"),
    (Answer(raw=b"{"), "bad_response"),
    (Answer("x", read=[1, 2, 3]), "bad_response"),
]


@pytest.mark.parametrize("name", ["invoke", "ainvoke"])
@pytest.mark.parametrize(("answer", "code"), FAULTS)
def test_faults_are_those_of_a_chat_completion(name: str, answer: Answer, code: str) -> None:
    with ScriptedServer(lambda request: answer if request.number else "first", template=Template()) as server:
        said, prefix = begun(chat_at(server))
        hasty = chat_at(server, timeout=0.3 if answer.seconds else 20.0)
        fault = fault_of(lambda: PATHS[name](hasty, said, prefix=prefix))
        assert server.requests[-1].path == "/v1/completions"
        if answer.read is None:
            assert (fault.code, fault.status) == (
                (plain := fault_of(lambda: PATHS[name](hasty, said))).code,
                plain.status,
            )
    assert fault.code == code


STREAM_FAULTS = [
    (Answer("a b c d", stop_after=3), "connection"),
    (Answer("a b c d", end_after=3), "bad_response"),
    (Answer("a b c d", error_after=3, error_code=429), "rate_limit"),
    (Answer("a b c d", read=[1, 2, 3]), "bad_response"),
    (Answer("a b c d", model="other"), "wrong_model"),
    (Answer(status=503), "server"),
]


@pytest.mark.parametrize("name", ["stream", "astream"])
@pytest.mark.parametrize(("answer", "code"), STREAM_FAULTS)
def test_a_bridged_stream_that_breaks_is_a_typed_fault(name: str, answer: Answer, code: str) -> None:
    with ScriptedServer(lambda request: answer if request.number else "first", template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        assert fault_of(lambda: PATHS[name](chat, said, prefix=prefix)).code == code


class Tokenless(ScriptedServer):
    """A server whose `/tokenize` answers as it is told to."""

    def __init__(self, status: int, body: bytes = b"{}") -> None:
        super().__init__("hello", template=Template())
        self.told = Answer(status=status, raw=body)

    async def _aside(self, path: str, body: dict[str, Any]) -> bytes | None:
        if not path.endswith("/tokenize"):
            return await super()._aside(path, body)
        self.tokenized.append(body)
        head = f"HTTP/1.1 {self.told.status} X\r\ncontent-type: application/json\r\n"
        return (head + f"content-length: {len(self.told.raw or b'')}\r\n\r\n").encode() + (self.told.raw or b"")


@pytest.mark.parametrize("name", ["invoke", "ainvoke"])
@pytest.mark.parametrize(("status", "code"), [(503, "server"), (500, "server"), (429, "rate_limit")])
def test_a_server_that_cannot_tokenize_now_is_a_fault_that_passes(name: str, status: int, code: str) -> None:
    with Tokenless(status) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        fault = fault_of(lambda: PATHS[name](chat, said, prefix=prefix))
        assert (fault.code, fault.retryable) == (code, True)
        server.told = Answer(status=404, raw=b"{}")
        assert PATHS[name](chat, said, prefix=prefix).text == "hello"


# where there is no bridge


@pytest.mark.parametrize("name", ["invoke", "ainvoke"])
@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_a_server_that_does_not_tokenize_gets_the_conversation(name: str, status: int) -> None:
    with Tokenless(status) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        message = PATHS[name](chat, said, prefix=prefix)
    assert message.text == "hello"
    assert server.requests[-1].path == "/v1/chat/completions"
    assert tokens_of(message)[0][: len(prefix.ids)] != prefix.ids


@pytest.mark.parametrize("body", [b"{}", b'{"tokens": []}', b"[]", b"hi", b'{"tokens": [1], "token_strs": ["y"]}'])
@pytest.mark.parametrize("name", ["invoke", "ainvoke"])
def test_an_odd_answer_is_no_bridge(name: str, body: bytes) -> None:
    with Tokenless(200, body) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        PATHS[name](chat, said, prefix=prefix)
    assert server.requests[-1].path == "/v1/chat/completions"


def test_a_template_that_allows_no_cut_is_not_bridged() -> None:
    with ScriptedServer("hello", template=Template(merges=True)) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        chat.invoke(said, prefix=prefix)
        assert server.requests[-1].path == "/v1/chat/completions"


class Finish(BaseModel):
    """Say which."""

    finish: str


UNBRIDGED: dict[str, dict[str, Any]] = {
    "tools": {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    "a class": {"response_format": Finish},
    "continuing": {"extra_body": {"continue_final_message": True}},
    "no generation prompt": {"extra_body": {"add_generation_prompt": False}},
    "effort": {"reasoning_effort": "low"},
}


@pytest.mark.parametrize("more", UNBRIDGED.values(), ids=UNBRIDGED)
@pytest.mark.parametrize("name", ["invoke", "ainvoke"])
def test_what_completions_do_not_know_is_asked_of_chat_completions(name: str, more: dict[str, Any]) -> None:
    with ScriptedServer('{"finish": "x"}', template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        PATHS[name](chat, said, prefix=prefix, **more)
        assert server.requests[-1].path == "/v1/chat/completions"


@every_path
def test_a_server_that_takes_thoughts_out_of_replies_is_not_bridged(path: Call) -> None:
    with ScriptedServer(lambda _: Answer("hello", thoughts="hm"), template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat, path)
        path(chat, said, prefix=prefix)
        assert {request.path for request in server.requests} == {"/v1/chat/completions"}


@every_path
def test_that_a_server_takes_thoughts_out_is_also_seen_before_the_first_call(path: Call) -> None:
    with ScriptedServer("hello", template=Template()) as server:
        said, prefix = begun(chat_at(server))
    with ScriptedServer("hello", template=server.template, thoughtful=True) as other:
        path(chat_at(other), said, prefix=prefix)
        assert [request.path for request in other.requests] == ["/v1/chat/completions"]
        assert other.probes == 1


def test_a_prefix_that_does_not_end_with_a_reply_in_words_is_not_bridged() -> None:
    with ScriptedServer("hello", template=Template()) as server:
        chat = chat_at(server)
        said, prefix = begun(chat)
        picture = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])
        for messages, count, ids in (
            (said, 1, prefix.ids),
            (said, 0, prefix.ids),
            (said, 9, prefix.ids),
            (said, 2, []),
            ([*said[:2], picture], 2, prefix.ids),
        ):
            chat.invoke(messages, prefix=Prefix(count, ids))
            assert server.requests[-1].path == "/v1/chat/completions"


# the cost


async def test_the_cut_is_found_once_for_all_calls_and_copies() -> None:
    with ScriptedServer("hello", template=Template()) as server:
        chat = chat_at(server)
        message = await chat.ainvoke("hi")
        said = [HumanMessage("hi"), message, HumanMessage("again")]
        prefix = prefix_of(said[:1], message)
        copies = [chat.model_copy(update={"seed": n}) for n in range(40)]
        await asyncio.gather(*(copy.ainvoke(said, prefix=prefix) for copy in copies))
        await asyncio.to_thread(chat.invoke, said, prefix=prefix)
    assert len(server.tokenized) == 2 + 41
    assert server.probes == 1


def test_fields_that_decide_the_rendering_reach_it() -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    with ScriptedServer("hello", template=Template()) as server:
        chat = chat_at(server, extra_body=extra)
        said, prefix = begun(chat)
        chat.invoke(said, prefix=prefix)
        chat_at(server).invoke(said, prefix=prefix)
        body = server.requests[1].body
    assert [one.get("chat_template_kwargs") for one in server.tokenized] == [
        *[extra["chat_template_kwargs"]] * 3,
        *[None] * 3,
    ]
    assert "chat_template_kwargs" not in body
