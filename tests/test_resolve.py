"""Addresses: what each names, what is refused and how, and that none of it needs a network or shows a secret."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

import pytest
from flowwright import UsageError
from flowwright.policies import ChatVLLM, Policies, resolve
from flowwright.policies.address import Address
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI

SECRET = "sk-test-0123456789abcdef"
_VARIABLES = ("VLLM_BASE_URL", "VLLM_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "GROQ_API_KEY")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError(f"a connection was made: {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


# what an address names


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("vllm:Qwen/Qwen3-8B", "vllm:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1"),
        ("vllm:m@http://h:1/v1/", "vllm:m@http://h:1/v1"),
        ("vllm:m@http://h:1", "vllm:m@http://h:1/v1"),
        ("VLLM:m@https://h/x/v1", "vllm:m@https://h/x/v1"),
        ("openai:m@http://h:1/v1", "openai:m@http://h:1/v1"),
        ("offline", "offline:0"),
        ("offline:7", "offline:7"),
    ],
)
def test_an_address_resolves_to_a_policy_of_that_name(address: str, name: str) -> None:
    assert resolve(address).name == name


def test_vllm_speaks_to_its_server_and_to_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere/v1")
    monkeypatch.setenv("VLLM_BASE_URL", "http://gpu:9/v1")
    policy = resolve("vllm:m")
    assert policy.name == "vllm:m@http://gpu:9/v1"
    assert str(policy.chat.root_async_client.base_url) == "http://gpu:9/v1/"
    assert isinstance(policy.chat, ChatVLLM)
    assert (policy.constrain, policy.price) == ("vllm", (0.0, 0.0))


def test_openai_is_constrained_on_the_real_endpoint_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert resolve("openai:gpt-4.1-mini").constrain == "openai"
    assert resolve("openai:gpt-4.1-mini").name == "openai:gpt-4.1-mini"
    assert resolve("openai:m@http://h/v1").constrain is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://h/v1")
    assert resolve("openai:m").constrain is None
    assert resolve("openai:m").name == "openai:m@http://h/v1"


@pytest.mark.parametrize("address", ["vllm:m", "openai:m", "openai:m@http://h/v1"])
def test_a_client_never_retries_by_itself_and_has_a_timeout(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    chat = resolve(address, timeout=7).chat
    for client in (chat.root_client, chat.root_async_client):
        assert client.max_retries == 0
        assert (client.timeout.read, client.timeout.connect) == (7, 7)
    assert chat.use_responses_api is False
    assert chat.cache is False


def test_offline_rules_are_chosen_by_role() -> None:
    from flowwright.policies.offline import OfflineDesigner, OfflineExecutor

    resolved = Policies(designer="offline:3", executor="offline:3", generator="offline:3").resolve()
    assert isinstance(resolved["designer"].chat, OfflineDesigner)
    assert isinstance(resolved["executor"].chat, OfflineExecutor)
    assert resolved["generator"] is resolved["executor"]
    assert all(p.offline and p.price == (0.0, 0.0) and p.chat.seed == 3 for p in resolved.values())
    assert set(resolved) == {"designer", "executor", "generator"}


def test_roles_with_one_address_share_one_client() -> None:
    resolved = Policies(designer="vllm:m", executor="vllm:m", verifier="vllm:other").resolve()
    assert resolved["designer"] is resolved["executor"]
    assert resolved["verifier"] is not resolved["designer"]
    chat = FakeListChatModel(responses=["a"])
    mine = Policies(designer=chat, executor=chat).resolve()
    assert mine["designer"] is mine["executor"]


def test_any_model_of_langchain_is_taken_without_its_own_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://example.invalid")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-06-01")
    policy = resolve("azure_openai:gpt-4.1", timeout=7)
    assert type(policy.chat).__name__ == "AzureChatOpenAI"
    assert (policy.chat.max_retries, policy.chat.request_timeout) == (0, 7)
    assert policy.price == (2.0, 8.0)


def test_a_chat_model_is_its_own_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = FakeListChatModel(responses=["a"])
    policy = resolve(chat)
    assert policy.chat is chat
    assert (policy.name, policy.constrain, policy.price, policy.offline) == ("FakeListChatModel", None, None, False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    own = resolve(ChatOpenAI(model="gpt-4.1"))
    assert (own.name, own.constrain, own.price) == ("ChatOpenAI:gpt-4.1", "openai", (2.0, 8.0))
    other = resolve(ChatOpenAI(model="m", base_url=f"http://u:{SECRET}@h:1/v1"))
    assert (other.name, other.constrain) == ("ChatOpenAI:m@http://h:1/v1", None)
    vllm = resolve(ChatVLLM(model="m"))
    assert (vllm.name, vllm.constrain) == ("ChatVLLM:m@http://127.0.0.1:8000/v1", "vllm")


# prices


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4.1-mini", (0.4, 1.6)),
        ("gpt-4.1-mini-2025-04-14", (0.4, 1.6)),
        ("gpt-4.1", (2.0, 8.0)),
        ("gpt-4o-mini", (0.15, 0.6)),
        ("microsoft/phi-4", (0.07, 0.14)),
        ("gpt-4.1-nano", None),
        ("unheard-of", None),
    ],
)
def test_a_price_is_known_or_none(model: str, price: tuple[float, float] | None) -> None:
    assert resolve(f"openai:{model}@http://h/v1").price == price


def test_a_given_price_wins() -> None:
    prices = {"m": (1.0, 2.0), "gpt-4.1": (9.0, 9.0)}
    resolved = Policies(designer="vllm:m", executor="openai:gpt-4.1@http://h/v1", prices=prices).resolve()
    assert (resolved["designer"].price, resolved["executor"].price) == ((1.0, 2.0), (9.0, 9.0))


# what is refused


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("gpt-4o", "openai:gpt-4o"),
        ("vllm:", "names no model"),
        (":m", "names no model"),
        ("vlm:m", "did you mean vllm"),
        ("antropic:claude", "did you mean anthropic"),
        ("offline:x", "not a seed"),
        ("local:/models/tiny", "no such folder"),
        ("openai:gpt-4.1", "OPENAI_API_KEY"),
        ("vllm:m@host:8000", "vllm:m@http://HOST:PORT/v1"),
        ("vllm:m@http://", "not a base URL"),
        ("vllm:m@http://h:port/v1", "not a base URL"),
        ("groq:llama", "pip install langchain-groq"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_fix(address: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve(address)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_key_of_a_provider_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="cannot be set up"):
        resolve("azure_openai:gpt-4.1")


@given(st.text(max_size=40))
def test_any_string_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except UsageError:
        return
    assert Address.parse(str(address)) == address


# secrets


@pytest.mark.parametrize("url", ["http://u:{}@h/v1", "http://{}@h/v1", "http://h/v1?key={}", "http://h/v1#{}"])
def test_a_url_with_a_secret_is_refused_and_not_repeated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as raised:
        Policies(designer="vllm:m@" + url.format(SECRET))
    assert SECRET not in str(raised.value)
    monkeypatch.setenv("VLLM_BASE_URL", url.format(SECRET))
    with pytest.raises(UsageError) as raised:
        resolve("vllm:m")
    assert SECRET not in str(raised.value)


def test_no_key_is_in_a_name_or_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VLLM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    for given_policy in ("vllm:m", "openai:gpt-4.1", ChatOpenAI(model="m"), ChatVLLM(model="m")):
        policy = resolve(given_policy)
        assert SECRET not in policy.name + repr(policy) + repr(policy.chat)
        assert SECRET not in repr(Policies(designer=given_policy))


# imports


def test_the_chat_model_is_a_public_name_and_nothing_else_is_made_up() -> None:
    import flowwright.policies as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="ChatLocal"):
        room.ChatLocal  # noqa: B018


def run_alone(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_importing_the_policies_loads_no_providers_library() -> None:
    heavy = "langchain_openai openai aiohttp langchain torch transformers"
    code = f"import sys, flowwright.policies; print([n for n in {heavy.split()!r} if n in sys.modules])"
    assert run_alone(code).stdout.strip() == "[]"


@pytest.mark.parametrize("address", ["vllm:m", "openai:m@http://h/v1"])
def test_a_missing_library_is_a_usage_error_with_the_command_that_installs_it(address: str) -> None:
    code = "import sys; sys.modules['langchain_openai'] = None\nfrom flowwright.policies import resolve\n"
    error = run_alone(code + f"resolve({address!r})").stderr.strip().splitlines()[-1]
    assert "UsageError" in error
    assert 'pip install "flowwright[openai]"' in error


def test_other_providers_need_langchain_and_say_so() -> None:
    code = "import sys; sys.modules['langchain'] = None\nfrom flowwright.policies import resolve\nresolve('vlm:m')"
    error = run_alone(code).stderr.strip().splitlines()[-1]
    assert 'pip install "flowwright[models]"' in error
    assert "did you mean vllm" in error
