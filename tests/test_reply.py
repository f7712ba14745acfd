"""Replies and the records of what was sent for them: what survives, what is said of what is not known, what never
appears."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flowwright.policies import Policy, Reply, resolve
from flowwright.sampling import Sampling
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from scripted_server import Answer, ScriptedServer


def policy_at(server: ScriptedServer, scheme: str = "vllm") -> Policy:
    return resolve(f"{scheme}:m@{server.url}", timeout=5)


_ids = st.none() | st.lists(st.integers(0, 200_000), min_size=1, max_size=9)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    max_leaves=5,
)
_replies = st.builds(
    Reply,
    text=st.text(),
    input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    finish_reason=st.none() | st.sampled_from(["stop", "length", "tool_calls"]),
    model=st.none() | st.text(min_size=1),
    prompt_token_ids=_ids,
    token_ids=_ids,
    logprobs=st.none() | st.lists(st.floats(-99, 0), min_size=1),
    tokens_incomplete=st.booleans(),
    sent=st.none() | st.dictionaries(st.text(), _json, min_size=1),
)


@given(_replies)
def test_a_reply_survives_json_and_a_message(reply: Reply) -> None:
    assert Reply.from_json(json.loads(json.dumps(reply.as_json()))) == reply
    assert Reply.of(reply.as_message()) == reply


@given(_replies)
def test_an_estimated_reply_survives_a_message(reply: Reply) -> None:
    bare = reply.as_message().model_copy(update={"usage_metadata": None})
    estimated = Reply.of(bare)
    assert estimated.estimated
    assert Reply.of(estimated.as_message()) == estimated


@pytest.mark.parametrize(
    ("metadata", "finish"),
    [
        ({"finish_reason": "length"}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"stop_reason": "max_tokens"}, "length"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"done_reason": "stop"}, "stop"),
        ({"finish_reason": "content_filter"}, "content_filter"),
        ({}, None),
    ],
)
def test_every_providers_word_for_a_cut_reply_is_length(metadata: dict[str, str], finish: str | None) -> None:
    assert Reply.of(AIMessage("x", response_metadata=metadata)).finish_reason == finish


def test_a_reply_without_usage_is_estimated_and_says_so() -> None:
    with ScriptedServer(lambda _: Answer("four words are here", usage=False)) as server:
        chat = policy_at(server, "openai").chat
        reply = Reply.of(chat.invoke("a prompt of twenty eight chars"))
        counted = Reply.of(policy_at(server).chat.invoke("three words here"))
    assert (reply.estimated, reply.input_tokens, reply.output_tokens) == (True, 8, 5)
    assert (counted.estimated, counted.input_tokens, counted.output_tokens) == (True, 3, 4)


# what was sent


def digests(record: dict[str, Any]) -> set[str]:
    return {name for name, value in record.items() if isinstance(value, dict) and "digest" in value}


@pytest.mark.parametrize("scheme", ["vllm", "openai"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_the_record_of_what_was_sent_is_what_arrived(scheme: str, streamed: bool) -> None:
    with ScriptedServer('{"a": 1}') as server:
        policy = policy_at(server, scheme)
        model = policy.at(Sampling(0.5, 20), seed=9, key="op", schema={"type": "object"})
        if streamed:
            chunks = [chunk async for chunk in model.astream("hi there")]
            message = sum(chunks[1:], start=chunks[0])
        else:
            message = await model.ainvoke("hi there")
    sent = Reply.of(message).sent
    assert sent is not None
    body = server.requests[0].body
    assert {"stream": False} | sent == {
        **{"stream": False},
        **{name: value for name, value in body.items() if name not in digests(sent)},
        **{name: sent[name] for name in digests(sent)},
        "key": "op",
    }
    assert digests(sent) == {"messages"} | ({"structured_outputs"} if scheme == "vllm" else set())
    assert sent["messages"]["characters"] == len("hi there")


async def test_no_secret_is_in_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-live-abcdefghijkl"
    monkeypatch.setenv("VLLM_API_KEY", secret)
    with ScriptedServer("hello") as server:
        model = policy_at(server).chat.bind(
            extra_body={"api_key": secret, "nested": {"auth_token": secret}, "max_tokens": 5},
            extra_headers={"X-Api-Key": secret, "X-Request-Id": "r"},
            extra_query={"key": secret},
        )
        reply = Reply.of(await model.ainvoke("hi"))
    assert server.requests[0].headers["authorization"] == f"Bearer {secret}"
    assert server.requests[0].body["api_key"] == secret
    assert secret not in json.dumps(reply.as_json()) + repr(reply)
    assert reply.sent is not None
    assert (reply.sent["key"], reply.sent["max_tokens"]) == ("r", 5)


async def test_the_key_of_another_provider_never_reaches_a_vllm_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-live-abcdefghijkl")
    with ScriptedServer("hello") as server:
        await policy_at(server).chat.ainvoke("hi")
    assert server.requests[0].headers["authorization"] == "Bearer EMPTY"
