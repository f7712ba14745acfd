"""Versions of an adapter on a server that does what it is told, and on servers that do not. `real_vllm` has the same
against a real one."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from flowwright import UsageError
from flowwright.policies import ProviderError
from flowwright.policies.adapter_directory import STAMP, AdapterDirectory, stamp_of
from flowwright.policies.adapters import Adapters, Served, served_name
from flowwright.policies.parity import StaleWeights
from hypothesis import given
from hypothesis import strategies as st
from scripted_adapters import scripted_adapters


def adapter(folder: Path, weights: str = "weights", **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": "tiny"} | config))
    (folder / "adapter_model.safetensors").write_text(weights)
    return folder


async def test_a_new_version_is_served_before_the_old_one_goes(tmp_path: Path) -> None:
    async with scripted_adapters() as server, Adapters(server.url) as adapters:
        one = await adapters.publish("designer", 1, adapter(tmp_path / "1"))
        server.asked.clear()
        two = await adapters.publish("designer", 2, adapter(tmp_path / "2"))
        order = [path.rpartition("/")[2] for path in server.asked if path != "/v1/models"]
        assert order == ["load_lora_adapter", "completions", "unload_lora_adapter", "reset_prefix_cache"]
        assert two.unloaded == (one.served,)
        assert two.cache_reset
        assert server.loaded == {"designer-000002": str(tmp_path / "2")}
        assert await adapters.current("designer") == Served("designer", 2, tmp_path / "2")
        assert await adapters.current("nobody") is None


async def test_as_many_versions_are_kept_as_asked_for_and_other_names_are_left_alone(tmp_path: Path) -> None:
    async with scripted_adapters(loaded={"by-hand": "/x"}) as server, Adapters(server.url, keep=2) as adapters:
        await adapters.publish("verifier", 1, adapter(tmp_path / "v"))
        for version in (1, 2, 3, 10):
            await adapters.publish("designer", version, adapter(tmp_path / str(version)))
        assert set(server.loaded) == {"by-hand", "verifier-000001", "designer-000003", "designer-000010"}
        assert [one.model for one in await adapters.served()] == [
            "designer-000003",
            "designer-000010",
            "verifier-000001",
        ]


async def test_a_directory_and_a_version_belong_to_each_other_for_good(tmp_path: Path) -> None:
    async with scripted_adapters() as server, Adapters(server.url) as adapters:
        one = adapter(tmp_path / "1")
        await adapters.publish("designer", 1, one)
        before = dict(server.loaded)
        assert (await adapters.publish("designer", 1, adapter(tmp_path / "same"))).unloaded == ()
        with pytest.raises(UsageError, match="served with other weights"):
            await adapters.publish("designer", 1, adapter(tmp_path / "2", "other"))
        with pytest.raises(UsageError, match="was published as designer version 1"):
            await adapters.publish("designer", 2, one)
        with pytest.raises(UsageError, match="was published as designer version 1"):
            await adapters.publish("verifier", 1, one)
        with pytest.raises(UsageError, match="version 0 is not new"):
            await adapters.publish("designer", 0, adapter(tmp_path / "0"))
        assert server.loaded == before
        server.loaded.clear()  # the server was started anew
        await adapters.publish("designer", 1, one)
        server.loaded.clear()
        adapter(one, "changed")
        with pytest.raises(UsageError, match="has changed since it was published"):
            await adapters.publish("designer", 1, one)
        assert not server.loaded


async def test_a_link_is_the_directory_that_it_leads_to(tmp_path: Path) -> None:
    latest = tmp_path / "latest"
    async with scripted_adapters() as server, Adapters(server.url, keep=2) as adapters:
        for version in (1, 2):
            latest.unlink(missing_ok=True)
            latest.symlink_to(adapter(tmp_path / str(version)))
            await adapters.publish("designer", version, latest)
        assert list(server.loaded.values()) == [str(tmp_path / "1"), str(tmp_path / "2")]


@pytest.mark.parametrize(
    ("failure", "kind", "said"),
    [
        ((404, "Loading lora failed: No adapter found for /x"), UsageError, "does not see"),
        ((500, "LoRA is not enabled. Use --enable-lora"), UsageError, "loads no adapters"),
        ((500, "size of tensor a (64) must match b (96)"), ProviderError, r"does not fit the model served: size of tensor"),
        ((400, "has already been loaded"), ProviderError, "already been loaded"),
        ((503, "overloaded"), ProviderError, "overloaded"),
    ],
)  # fmt: skip
async def test_a_load_that_fails_is_typed_and_leaves_nothing_behind(
    tmp_path: Path, failure: tuple[int, str], kind: type[Exception], said: str
) -> None:
    one = adapter(tmp_path / "1")
    async with scripted_adapters(failure=failure) as server, Adapters(server.url) as adapters:
        with pytest.raises(kind, match=said):
            await adapters.publish("designer", 1, one)
        server.failure = None
        assert not (one / STAMP).exists()
        await adapters.publish("planner", 4, one)


async def test_a_server_without_adapters_is_named_with_the_command_that_starts_one(tmp_path: Path) -> None:
    async with scripted_adapters(updates=False) as server, Adapters(server.url) as adapters:
        with pytest.raises(UsageError, match=r"loads no adapters.*flowwright serve MODEL --lora"):
            await adapters.publish("designer", 1, adapter(tmp_path / "1"))


@pytest.mark.parametrize("script", [{"lists_as": "/elsewhere"}, {"answers_as": "tiny"}], ids=["path", "answer"])
async def test_an_adapter_that_does_not_answer_as_itself_is_taken_back(tmp_path: Path, script: dict[str, str]) -> None:
    async with scripted_adapters(**script) as server, Adapters(server.url) as adapters:
        with pytest.raises(ProviderError, match="wrong model") as raised:
            await adapters.publish("designer", 1, adapter(tmp_path / "1"))
        assert raised.value.code == "wrong_model"
        assert not server.loaded


async def test_the_base_model_is_asked_for(tmp_path: Path) -> None:
    async with scripted_adapters() as server, Adapters(server.url) as adapters:
        other = adapter(tmp_path / "1", base_model_name_or_path="models/other")
        with pytest.raises(UsageError, match="trained on 'models/other', the server has tiny"):
            await adapters.publish("designer", 1, other)
        await adapters.publish("designer", 1, other, any_base=True)
        await adapters.publish("designer", 2, adapter(tmp_path / "2", base_model_name_or_path="/models/tiny"))
        await adapters.publish("designer", 3, adapter(tmp_path / "3", base_model_name_or_path=None))


async def test_a_cache_that_cannot_be_reset_is_said_and_a_failed_unload_is_not_hidden(tmp_path: Path) -> None:
    async with scripted_adapters(busy=True) as server, Adapters(server.url) as adapters:
        assert not (await adapters.publish("designer", 1, adapter(tmp_path / "1"))).cache_reset
        server.unloads = 500
        with pytest.raises(ProviderError, match="not now"):
            await adapters.publish("designer", 2, adapter(tmp_path / "2"))
        assert "designer-000002" in server.loaded


@pytest.mark.parametrize("models", ["<html>", {"data": "none"}, {"data": [{}]}, []])
async def test_what_is_no_list_of_models_is_a_bad_response(tmp_path: Path, models: Any) -> None:
    async with scripted_adapters(models=models) as server, Adapters(server.url) as adapters:
        with pytest.raises(ProviderError) as raised:
            await adapters.served()
        assert raised.value.code == "bad_response"


async def test_a_refused_key_is_an_authentication_fault() -> None:
    async with scripted_adapters(closed=True) as server, Adapters(server.url) as adapters:
        with pytest.raises(ProviderError, match="HTTP 401") as raised:
            await adapters.served()
        assert raised.value.code == "authentication"
        assert raised.value.status == 401


async def test_a_server_that_is_not_there_is_a_provider_fault_and_its_key_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "sesame")
    async with scripted_adapters() as server, Adapters(server.url) as adapters:
        await adapters.served()
    assert server.keys == ["Bearer sesame"]
    async with Adapters(server.url) as adapters:
        with pytest.raises(ProviderError) as raised:
            await adapters.served()
    assert raised.value.code == "connection"


@pytest.mark.parametrize("spoil", ["config", "weights", "json", "list", "folder"])
def test_what_is_no_adapter_is_refused(tmp_path: Path, spoil: str) -> None:
    folder = adapter(tmp_path / "1")
    config = folder / "adapter_config.json"
    if spoil == "config":
        config.unlink()
    elif spoil == "weights":
        (folder / "adapter_model.safetensors").unlink()
    elif spoil == "folder":
        folder = tmp_path / "nowhere"
    else:
        config.write_text("{" if spoil == "json" else "[]")
    with pytest.raises(UsageError, match=r"adapter_config\.json|adapter_model"):
        AdapterDirectory.read(folder)


def test_a_directory_that_two_publish_at_once_has_one_stamp(tmp_path: Path) -> None:
    directory = AdapterDirectory.read(adapter(tmp_path / "1"))

    async def publish(number: int) -> bool:
        try:
            return await asyncio.to_thread(directory.publish_as, "designer", number)
        except UsageError:
            return False

    async def race() -> list[bool]:
        return await asyncio.gather(*map(publish, range(16)))

    assert sum(asyncio.run(race())) == 1
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == sorted(
        ["adapter_config.json", "adapter_model.safetensors", STAMP]
    )


def test_a_broken_stamp_and_a_closed_directory_are_refused(tmp_path: Path) -> None:
    broken = adapter(tmp_path / "1")
    (broken / STAMP).write_text("{}")
    assert stamp_of(broken) is None
    with pytest.raises(UsageError, match="something unreadable"):
        AdapterDirectory.read(broken).publish_as("designer", 1)
    closed = AdapterDirectory.read(adapter(tmp_path / "2"))
    for file in closed.path.iterdir():
        file.unlink()
    closed.path.rmdir()
    with pytest.raises(UsageError, match="cannot be written to"):
        closed.publish_as("designer", 1)


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,20}", fullmatch=True), st.integers(0, 10**7))
def test_a_version_is_told_from_its_model_name(name: str, version: int) -> None:
    from flowwright.policies.adapters import _versions

    try:
        model = served_name(name, version)
    except UsageError:
        return
    found = _versions([{"id": model, "parent": "tiny", "root": "/x"}], None)
    assert found == [Served(name, version, Path("/x"))]
    assert found[0].model == model


@pytest.mark.parametrize("name", ["", "a b", "../x", "designer-000001"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name an adapter"):
        served_name(name, 1)


def test_a_version_below_zero_and_keeping_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="is no version"):
        served_name("designer", -1)
    with pytest.raises(UsageError, match="would unload"):
        Adapters("http://127.0.0.1:1", keep=0)


async def test_parity_tells_the_largest_difference_and_fails_beyond_the_tolerance() -> None:
    async with scripted_adapters() as server, Adapters(server.url) as adapters:
        asked: list[tuple[list[int], list[int]]] = []

        def expected(prompt: list[int], sampled: list[int]) -> list[float]:
            asked.append((prompt, sampled))
            return [-1.0, -2.25]

        gap = await adapters.parity("designer-000001", [1, 2, 3], expected, tolerance=0.3, tokens=2)
        assert gap == 0.25
        assert asked == [([1, 2, 3], [5, 6])]
        body = server.bodies[-1]
        assert (body["temperature"], body["max_tokens"], body["prompt"]) == (0, 2, [1, 2, 3])
        assert "prompt_logprobs" not in body
        with pytest.raises(StaleWeights, match=r"stale weights.*differ by 0.25 at token 1") as raised:
            await adapters.parity("designer-000001", [1], expected, tolerance=0.1)
        assert (raised.value.code, raised.value.position) == ("wrong_model", 1)
        assert not raised.value.retryable


async def test_a_log_prob_that_is_no_number_is_never_in_tolerance() -> None:
    async with scripted_adapters() as server, Adapters(server.url) as adapters:
        for value in (float("nan"), float("-inf")):
            with pytest.raises(StaleWeights):
                await adapters.parity("m", [1], lambda *_: [value, -2.0], tolerance=1e9)  # noqa: B023


async def test_parity_needs_tokens_on_both_sides() -> None:
    async with scripted_adapters() as server, Adapters(server.url) as adapters:
        with pytest.raises(UsageError, match="needs a prompt"):
            await adapters.parity("m", [], lambda *_: [], tolerance=1.0)
        with pytest.raises(UsageError, match="1 expected log-probs"):
            await adapters.parity("m", [1], lambda *_: [0.0], tolerance=1.0)
        server.token_ids = None
        with pytest.raises(ProviderError, match="no token ids"):
            await adapters.parity("m", [1], lambda *_: [0.0], tolerance=1.0)


def test_nothing_needs_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter(tmp_path / "1")
    monkeypatch.chdir(tmp_path)
    assert AdapterDirectory.read("1").path == Path(os.path.realpath(tmp_path)) / "1"
