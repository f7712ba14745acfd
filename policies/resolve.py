"""From an address to a policy, without a network call: what is wrong with the address, the environment or the
installation is said here, on one line with its fix, and not in the middle of a run.

| address | model |
|---|---|
| `vllm:MODEL[@URL]` | a vLLM server, by default `$VLLM_BASE_URL`, else port 8000 here; key `$VLLM_API_KEY` |
| `openai:MODEL[@URL]` | OpenAI (key `$OPENAI_API_KEY`), or any server that speaks its chat completions |
| `local:PATH` | a folder (or hub id) of weights, in this process by transformers |
| `offline[:SEED]` | rules on this machine, the designer's or the operators' by role |
| `PROVIDER:MODEL` | whatever `langchain.chat_models.init_chat_model` takes |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel

from ..errors import UsageError
from .address import OWN_SCHEMES, Address, checked_url, public_url
from .capture import original
from .policy import Policy
from .price import FREE, Price, price_of

if TYPE_CHECKING:
    from types import ModuleType

OPENAI_HOST = "api.openai.com"


def resolve(
    given: str | BaseChatModel,
    *,
    role: str = "executor",
    prices: Mapping[str, Price] | None = None,
    timeout: float = 300.0,
) -> Policy:
    """The policy at an address, or around a chat model. `role` matters for `offline` only. `prices` (USD per million
    tokens in and out, by model name; None: the shipped table alone). `timeout`: seconds. Raises UsageError."""
    if isinstance(given, BaseChatModel):
        return _around(original(given), prices)  # our graphs record their calls themselves
    address = Address.parse(given)
    if address.scheme == "vllm":
        return _vllm(address, prices, timeout)
    if address.scheme == "openai":
        return _openai(address, prices, timeout)
    if address.scheme == "offline":
        return _offline(address, role)
    if address.scheme == "local":
        return _local(address)
    return _by_langchain(address, prices, timeout)


def _vllm(address: Address, prices: Mapping[str, Price] | None, timeout: float) -> Policy:
    module = _needing_openai(".vllm")
    url = checked_url(address.url or os.environ.get(module.URL_VARIABLE) or module.DEFAULT_URL)
    if url.count("/") == 2:
        url += "/v1"  # a bare host: vLLM serves its chat completions there
    chat = module.ChatVLLM(model=address.model, base_url=url, timeout=_time_limits(timeout))
    price = (prices or {}).get(address.model, FREE)
    return Policy(str(Address("vllm", address.model, url)), chat, constrain="vllm", price=price)


def _openai(address: Address, prices: Mapping[str, Price] | None, timeout: float) -> Policy:
    module = _needing_openai(".recorded")
    key = os.environ.get("OPENAI_API_KEY")
    if not key and address.url is None:
        raise UsageError(
            f"{str(address)!r} needs a key",
            fix=f'Set OPENAI_API_KEY, or name a server that wants none: "{address}@http://HOST:PORT/v1"',
        )
    chat = module.RecordedOpenAI(
        model=address.model, base_url=address.url, api_key=key or "EMPTY", timeout=_time_limits(timeout)
    )
    base = chat.root_async_client.base_url
    if base.host == OPENAI_HOST:
        return Policy(str(address), chat, constrain="openai", price=price_of(address.model, prices))
    url = checked_url(str(base))  # named in the address, or in the environment
    chat = chat.model_copy(update={"legacy_max_tokens": True})
    return Policy(str(Address("openai", address.model, url)), chat, price=price_of(address.model, prices))


def _local(address: Address) -> Policy:
    looks_like_a_path = address.model.startswith(("/", "./", "../", "~"))
    source = str(Path(address.model).expanduser()) if looks_like_a_path else address.model
    if looks_like_a_path and not Path(source).is_dir():
        raise UsageError(f"{str(address)!r}: there is no such folder", fix="Name a folder that save_pretrained wrote")
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise UsageError(f"local: policies need {package}", fix='pip install "flowwright[local]"')
    module = import_module(".local", __package__)
    return Policy(str(address), module.ChatLocal(model=source), price=FREE)


def _offline(address: Address, role: str) -> Policy:
    try:
        seed = int(address.model or 0)
    except ValueError:
        raise UsageError(f"{address.model!r} is not a seed", fix='Write "offline" or e.g. "offline:7"') from None
    offline = import_module(".offline", __package__)
    kind = offline.OfflineDesigner if role == "designer" else offline.OfflineExecutor
    return Policy(f"offline:{seed}", kind(seed=seed), offline=True, price=FREE)


def _by_langchain(address: Address, prices: Mapping[str, Price] | None, timeout: float) -> Policy:
    try:
        models = import_module("langchain.chat_models")
    except ImportError:
        raise UsageError(
            f"{str(address)!r} is none of {', '.join(OWN_SCHEMES)}{_nearest(address.scheme, OWN_SCHEMES)}",
            fix='For the providers of LangChain: pip install "flowwright[models]"',
        ) from None
    provider = address.scheme.replace("-", "_")
    known = getattr(import_module("langchain.chat_models.base"), "_BUILTIN_PROVIDERS", {})
    if known and provider not in known:
        names = [*OWN_SCHEMES, *known]
        nearest = _nearest(provider, names)
        raise UsageError(f"Unknown provider {address.scheme!r}{nearest}", fix=f"Known: {', '.join(sorted(names))}")
    chat = _built(models, address, provider, timeout)
    return Policy(str(address), chat, price=price_of(address.model, prices))


def _built(models: ModuleType, address: Address, provider: str, timeout: float) -> BaseChatModel:
    """LangChain's model for the provider: without retries of its own and with a time-out, where its class has them."""
    options: dict[str, Any] = {"model_provider": provider} | ({"base_url": address.url} if address.url else {})
    try:
        chat: BaseChatModel = models.init_chat_model(address.model, **options)
        fields = type(chat).model_fields
        names = set(fields) | {field.alias for field in fields.values()}
        more = {name: value for name, value in {"max_retries": 0, "timeout": timeout}.items() if name in names}
        if more:
            chat = models.init_chat_model(address.model, **options, **more)
    except ImportError as error:
        raise UsageError(f"{str(address)!r} needs a package: {_line(error)}") from error
    except Exception as error:  # a provider's own class may raise anything when a key is missing
        raise UsageError(f"{str(address)!r} cannot be set up: {_line(error)}", fix="Is its key set?") from error
    return chat


def _around(chat: BaseChatModel, prices: Mapping[str, Price] | None) -> Policy:
    """A caller's own model. Its class says what it can do; a plain ChatOpenAI for another host gets no constraint."""
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(chat).__mro__}
    model = next((value for name in ("model_name", "model") if isinstance(value := getattr(chat, name, None), str)), "")
    url = getattr(getattr(chat, "root_async_client", None), "base_url", None)
    where = f"@{public_url(str(url))}" if url is not None and url.host != OPENAI_HOST else ""
    name = f"{type(chat).__name__}{':' if model else ''}{model}{where}"
    if any(kind.startswith(f"{__package__}.offline.") for kind in kinds):
        return Policy(f"{name}:{getattr(chat, 'seed', 0)}", chat, offline=True, price=FREE)
    if any(kind.startswith(f"{__package__}.local.") for kind in kinds):
        return Policy(name, chat, price=FREE)
    if f"{__package__}.vllm.ChatVLLM" in kinds:
        return Policy(name, chat, constrain="vllm", price=(prices or {}).get(model, FREE))
    official = url is not None and url.host == OPENAI_HOST
    return Policy(name, chat, constrain="openai" if official else None, price=price_of(model, prices))


def _needing_openai(module: str) -> ModuleType:
    try:
        return import_module(module, __package__)
    except ImportError as error:
        raise UsageError(
            f"vllm: and openai: policies need {error.name}", fix='pip install "flowwright[openai]"'
        ) from error


def _time_limits(timeout: float) -> Any:
    return _needing_openai(".transport").time_limits(timeout)


def _nearest(name: str, names: Mapping[str, Any] | tuple[str, ...] | list[str]) -> str:
    near = get_close_matches(name, list(names), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
