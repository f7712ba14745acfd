"""Adapters of a real server: loaded, replaced by version, unloaded, and never answered for by other weights."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from flowwright import UsageError
from flowwright.policies import ProviderError, Reply
from flowwright.policies.adapters import Adapters, Served
from flowwright.policies.parity import StaleWeights
from flowwright.policies.vllm import ChatVLLM
from real_vllm.drifting_model import Reference, make_adapter
from real_vllm.running import Running

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
PROMPT = [(place * 7) % 600 + 10 for place in range(600)]
"""Four blocks of a CPU's prefix cache, and some."""
TOLERANCE = 1e-4
names = (f"designer{number}" for number in itertools.count())


@pytest.fixture
async def adapters(server: Running) -> AsyncIterator[Adapters]:
    async with Adapters(server.url) as adapters:
        yield adapters


async def admin(server: Running, route: str, **body: Any) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{server.root}{route}", json=body, timeout=60)


async def test_versions_replace_each_other_and_each_answers_with_its_own_weights(
    server: Running, adapters: Adapters, tmp_path: Path
) -> None:
    name, gone = next(names), None
    assert await adapters.current(name) is None
    for version in (1, 2, 3):
        directory = make_adapter(tmp_path / str(version), seed=version)
        published = await adapters.publish(name, version, directory)
        assert published.served == Served(name, version, directory) == await adapters.current(name)
        assert published.unloaded == ((gone,) if gone else ())
        assert published.cache_reset
        expected = Reference(server.model, directory).logprobs
        for _ in range(2):  # the second time from the prefix cache
            assert await adapters.parity(published.served.model, PROMPT, expected, tolerance=TOLERANCE) < TOLERANCE
        reply = Reply.of(await ChatVLLM(model=published.served.model, base_url=server.url, seed=1).ainvoke("hello"))
        assert reply.model == reply.version == f"{name}-{version:06d}"
        gone = published.served
    assert [one.version for one in await adapters.served(name)] == [3]


async def test_kept_versions_answer_side_by_side(server: Running, tmp_path: Path) -> None:
    name = next(names)
    directories = {version: make_adapter(tmp_path / str(version), seed=version) for version in (1, 2, 3)}
    async with Adapters(server.url, keep=2) as adapters:
        for version, directory in directories.items():
            await adapters.publish(name, version, directory)
        served = await adapters.served(name)
        assert [one.version for one in served] == [2, 3]
        for one in served:
            expected = Reference(server.model, directories[one.version]).logprobs
            await adapters.parity(one.model, PROMPT, expected, tolerance=TOLERANCE)


async def test_what_is_served_may_be_published_again_and_nothing_else_under_its_name(
    adapters: Adapters, tmp_path: Path
) -> None:
    name = next(names)
    one, two = (make_adapter(tmp_path / str(seed), seed=seed) for seed in (1, 2))
    first = await adapters.publish(name, 5, one)
    again = await adapters.publish(name, 5, one)
    assert (again.served, again.unloaded) == (first.served, ())
    with pytest.raises(UsageError, match="served with other weights"):
        await adapters.publish(name, 5, two)
    with pytest.raises(UsageError, match="version 4 is not new"):
        await adapters.publish(name, 4, two)
    with pytest.raises(UsageError, match=f"was published as {name} version 5"):
        await adapters.publish(name, 6, one)
    make_adapter(one, seed=3)
    with pytest.raises(UsageError, match=r"was published as|has changed|other weights"):
        await adapters.publish(name, 6, one)
    await adapters.publish(name, 6, two)


async def test_new_weights_at_an_old_path_are_noticed_and_never_published(
    server: Running, adapters: Adapters, tmp_path: Path
) -> None:
    """The way it is done elsewhere: the adapter's files are overwritten and the adapter is loaded again, in place or
    after it was unloaded. The server then answers from prefixes that the old weights computed."""
    name, directory = f"overwritten-{next(names)}", tmp_path / "adapter"
    load = {"lora_name": name, "lora_path": str(directory)}
    make_adapter(directory, seed=1)
    assert (await admin(server, "/v1/load_lora_adapter", **load)).status_code == 200
    await adapters.parity(name, PROMPT, Reference(server.model, directory).logprobs, tolerance=TOLERANCE)
    for seed, unload in ((2, False), (3, True)):
        make_adapter(directory, seed=seed)
        if unload:
            await admin(server, "/v1/unload_lora_adapter", lora_name=name)
        again = load if unload else {**load, "load_inplace": True}
        assert (await admin(server, "/v1/load_lora_adapter", **again)).status_code == 200
        expected = Reference(server.model, directory).logprobs
        with pytest.raises(StaleWeights) as raised:
            await adapters.parity(name, PROMPT, expected, tolerance=TOLERANCE)
        assert raised.value.code == "wrong_model"
        assert raised.value.difference > 0.01
        assert await adapters.reset_prefix_cache()
        assert await adapters.parity(name, PROMPT, expected, tolerance=TOLERANCE) < TOLERANCE
    await admin(server, "/v1/unload_lora_adapter", lora_name=name)


async def test_ours_is_never_stale_even_while_rollouts_run_and_the_cache_cannot_be_reset(
    server: Running, tmp_path: Path
) -> None:
    name, busy = next(names), asyncio.Event()
    long = ChatVLLM(model="tiny", base_url=server.url, max_tokens=2_000, extra_body={"ignore_eos": True})

    async def keep_busy() -> None:
        while not busy.is_set():
            await long.ainvoke("go on")

    async with asyncio.TaskGroup() as group, Adapters(server.url) as adapters:
        group.create_task(keep_busy())
        resets = []
        for version in (1, 2, 3):
            directory = make_adapter(tmp_path / str(version), seed=10 + version)
            published = await adapters.publish(name, version, directory)
            resets.append(published.cache_reset)
            expected = Reference(server.model, directory).logprobs
            await adapters.parity(published.served.model, PROMPT, expected, tolerance=TOLERANCE)
        busy.set()
    assert False in resets, "the server was not busy: nothing was shown"


async def test_what_cannot_be_served_is_said_in_one_line(server: Running, adapters: Adapters, tmp_path: Path) -> None:
    name = next(names)
    before = await adapters.served()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"has no adapter_config\.json"):
        await adapters.publish(name, 1, tmp_path / "empty")
    of_another = make_adapter(tmp_path / "other", seed=1, base="models/other")
    with pytest.raises(UsageError, match="trained on 'models/other', the server has tiny"):
        await adapters.publish(name, 1, of_another)
    wider = make_adapter(tmp_path / "wider", seed=1, hidden=96)
    with pytest.raises(ProviderError, match="does not fit"):
        await adapters.publish(name, 1, wider)
    greedy = make_adapter(tmp_path / "rank", seed=1)
    config = json.loads((greedy / "adapter_config.json").read_text())
    (greedy / "adapter_config.json").write_text(json.dumps({**config, "r": 64}))
    with pytest.raises(ProviderError, match="rank 64"):
        await adapters.publish(name, 1, greedy)
    assert await adapters.served() == before
    assert (await adapters.publish(name, 1, make_adapter(tmp_path / "good", seed=1))).served.version == 1


async def test_an_unreachable_server_is_a_provider_fault(tmp_path: Path) -> None:
    async with Adapters("http://127.0.0.1:9/v1") as adapters:
        with pytest.raises(ProviderError) as raised:
            await adapters.publish("designer", 1, make_adapter(tmp_path / "a", seed=1))
    assert raised.value.code == "connection"
    assert raised.value.retryable
