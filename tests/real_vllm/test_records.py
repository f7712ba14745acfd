"""What a real server's reply is made of: tokens in agreement with usage, log-probs of the distribution sampled from,
schemas, seeds, and the name of who answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flowwright.policies import ProviderError, Reply, classify, resolve
from flowwright.policies.vllm import ChatVLLM
from flowwright.sampling import Sampling
from langchain_core.messages import AIMessage, AIMessageChunk
from real_vllm.drifting_model import Reference
from real_vllm.running import Running

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
TOLERANCE = 1e-4
SCHEMA = {
    "type": "object",
    "properties": {"tool": {"enum": ["add", "multiply"]}, "a": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["tool", "a"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def reference(model: Path) -> Reference:
    return Reference(model)


def chat(server: Running, **options: object) -> ChatVLLM:
    return ChatVLLM(**{"model": "tiny", "base_url": server.url, "seed": 7, "max_tokens": 32} | options)


def streamed(chunks: Iterator[AIMessageChunk]) -> AIMessage:
    first, *rest = list(chunks)
    whole = sum(rest, start=first)
    assert isinstance(whole, AIMessage)
    return whole


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_ids_log_probs_and_usage_agree(server: Running, way: str) -> None:
    model = chat(server)
    reply = Reply.of(model.invoke("plan a step") if way == "invoke" else streamed(model.stream("plan a step")))
    assert reply.token_ids
    assert reply.logprobs
    assert reply.prompt_token_ids
    assert len(reply.token_ids) == len(reply.logprobs) == reply.output_tokens
    assert len(reply.prompt_token_ids) == reply.input_tokens
    assert not reply.tokens_incomplete
    assert reply.model == "tiny"


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 1.0), (1.4, 1.0), (1.0, 0.5), (0.7, 0.8)])
def test_log_probs_are_those_of_the_distribution_sampled_from(
    server: Running, reference: Reference, temperature: float, top_p: float
) -> None:
    reply = Reply.of(chat(server, temperature=temperature, top_p=top_p).invoke("add one node to the plan"))
    assert reply.logprobs_mode == "processed"
    assert reply.prompt_token_ids
    assert reply.token_ids
    expected = reference.logprobs(reply.prompt_token_ids, reply.token_ids, temperature=temperature, top_p=top_p)
    assert reply.logprobs == pytest.approx(expected, abs=TOLERANCE)


def test_a_server_that_reports_raw_log_probs_would_not_pass(server: Running, reference: Reference) -> None:
    reply = Reply.of(chat(server, temperature=0.6).invoke("add one node to the plan"))
    raw = reference.logprobs(reply.prompt_token_ids or [], reply.token_ids or [])
    assert max(abs(a - b) for a, b in zip(reply.logprobs or [], raw, strict=True)) > 0.1


def test_a_seed_gives_the_same_tokens_and_another_gives_others(server: Running) -> None:
    replies = [Reply.of(chat(server, seed=seed).invoke("the same question")) for seed in (1, 1, 2)]
    assert replies[0].token_ids == replies[1].token_ids
    assert replies[0].token_ids != replies[2].token_ids


def test_a_schema_masks_the_sampling_and_the_record_says_so(server: Running) -> None:
    policy = resolve(f"vllm:tiny@{server.url}")
    sampling = Sampling(temperature=1.0, max_tokens=400)
    message = policy.at(sampling, seed=3, key="schema", schema=SCHEMA).invoke("act")
    reply = Reply.of(message)
    action = json.loads(reply.text)
    assert set(action) == {"tool", "a"}
    assert action["tool"] in ("add", "multiply")
    assert reply.constrained
    assert reply.logprobs
    assert 0.0 in reply.logprobs, "a forced token has probability 1"


def test_a_model_that_is_not_served_is_a_typed_fault(server: Running) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        chat(server, model="designer-000009").invoke("hello")
    fault = classify(raised.value)
    assert fault is not None
    assert fault.code == "not_found"
    assert not fault.retryable


def test_a_reply_under_another_name_is_the_wrong_model(server: Running) -> None:
    """`served-model-name` of the base is what it answers with; here the folder is asked for and the name comes back."""

    class Renamed(ChatVLLM):
        def _check_model(self, answered: str | None, sent: dict[str, object]) -> None:
            super()._check_model(answered, {**sent, "model": "another"})

    with pytest.raises(ProviderError, match="wrong model") as raised:
        Renamed(model="tiny", base_url=server.url).invoke("hello")
    assert raised.value.code == "wrong_model"


def test_an_adapter_given_at_the_start_answers_under_its_name(server: Running) -> None:
    reply = Reply.of(chat(server, model="fixed").invoke("hello"))
    assert reply.model == "fixed"
