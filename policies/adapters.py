"""Weights in training reach a running vLLM server as LoRA adapters; no answer comes from other weights than asked for.

Invariants: each version has a name (`designer-000007`) and a directory of its own, so no cached prefix of another
version fits; a version only grows; a published adapter has been seen in the server's list with this very directory and
has answered under its own name; the old version goes only when the new one answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import UsageError
from .adapter_directory import AdapterDirectory, stamp_of
from .faults import ProviderError
from .parity import check_parity
from .server_routes import ServerRoutes, message_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SERVED = re.compile(r"(.+)-(\d{6,})")


@dataclass(frozen=True, slots=True)
class Served:
    """One version of an adapter, as a server serves it."""

    name: str
    version: int
    directory: Path
    """Where the server read it."""

    @property
    def model(self) -> str:
        """The name to ask for: `vllm:MODEL@URL`."""
        return served_name(self.name, self.version)


@dataclass(frozen=True, slots=True)
class Published:
    """What `publish` did."""

    served: Served
    unloaded: tuple[Served, ...] = ()
    """Older versions that are gone from the server."""
    cache_reset: bool = False
    """False: the server has no such route, or requests were running. No answer is wrong for that; memory is freed
    later."""


def served_name(name: str, version: int) -> str:
    """The model name of a version. Raises UsageError for a name or a version that cannot be one."""
    if not _NAME.fullmatch(name) or _SERVED.fullmatch(name):
        raise UsageError(f"{name!r} cannot name an adapter", fix="Use letters, digits, '.', '_' and '-'")
    if version < 0:
        raise UsageError(f"{version} is no version", fix="Versions are whole numbers from 0")
    return f"{name}-{version:06d}"


class Adapters:
    """The adapters of one server. One publisher at a time for a name: the trainer's main process."""

    def __init__(self, base_url: str, *, keep: int = 1, timeout: float = 60.0) -> None:
        """`base_url`: the server's, as in `vllm:MODEL@URL`. `keep`: versions of a name served at a time, the newest;
        2 lets rollouts under way end with the version they began with. `timeout`: seconds. Raises UsageError."""
        if keep < 1:
            raise UsageError(f"keep={keep} would unload the version just published", fix="Keep 1 or more")
        self._routes = ServerRoutes(base_url, timeout=timeout)
        self._keep = keep
        self._publishing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections. The server keeps what it serves."""
        await self._routes.aclose()

    async def served(self, name: str | None = None) -> list[Served]:
        """The versions that the server lists, oldest first; of `name` alone unless None."""
        return _versions(await self._models(), name)

    async def current(self, name: str) -> Served | None:
        """The newest version served; None: none is."""
        return next(reversed(await self.served(name)), None)

    async def publish(self, name: str, version: int, directory: str | Path, *, any_base: bool = False) -> Published:
        """Serves the adapter in `directory` as `version` of `name`, then unloads all but the newest `keep` versions.
        The directory must be one the server sees under the same path. Publishing again what is served changes nothing.
        `any_base`: also an adapter that says it was trained on a model of another name.

        Raises UsageError (no adapter there; a directory or version used before for something else; an older version;
        another base model; a server without LoRA) and ProviderError (unreachable server; weights that do not fit;
        another adapter answers)."""
        model = served_name(name, version)
        adapter = await asyncio.to_thread(AdapterDirectory.read, directory)
        async with self._publishing:
            models = await self._models()
            newest = next(reversed(_versions(models, name)), None)
            if newest is not None and newest.version >= version:
                return Published(await self._known(newest, version, adapter))
            if not any_base:
                _check_base(adapter, models)
            new = await asyncio.to_thread(adapter.publish_as, name, version)
            served = Served(name, version, adapter.path)
            if (refusal := await self._load(served)) is not None:
                if new:
                    await asyncio.to_thread(adapter.withdraw)
                raise refusal
            try:
                await self._check(served)
            except BaseException:
                await self._unload(model)
                raise
            unloaded = await self._retire(name)
            return Published(served, unloaded, await self.reset_prefix_cache())

    async def reset_prefix_cache(self) -> bool:
        """Forgets all cached prefixes. False: the server has no such route (`flowwright serve` starts it with one), or
        requests are running."""
        answer = await self._routes.answer("POST", "/reset_prefix_cache")
        return answer.status_code == 200 and '"success":true' in answer.text.replace(" ", "")

    async def parity(
        self,
        model: str,
        prompt_ids: Sequence[int],
        expected: Callable[[list[int], list[int]], Sequence[float]],
        *,
        tolerance: float,
        tokens: int = 16,
    ) -> float:
        """See `check_parity`."""
        return await check_parity(self._routes, model, prompt_ids, expected, tolerance=tolerance, tokens=tokens)

    async def _models(self) -> list[dict[str, Any]]:
        models = (await self._routes.json("GET", "/v1/models")).get("data")
        if not isinstance(models, list) or not all(isinstance(model, dict) and "id" in model for model in models):
            raise ProviderError("bad response: /v1/models lists no models", code="bad_response")
        return models

    async def _known(self, newest: Served, version: int, adapter: AdapterDirectory) -> Served:
        """`newest` if `adapter` is the very thing that it serves."""
        if newest.version > version:
            raise UsageError(
                f"{newest.model} is served, so version {version} is not new", fix="Give old weights a new version"
            )
        stamp = await asyncio.to_thread(stamp_of, newest.directory)
        if stamp is None or stamp.sha256 != adapter.sha256:
            raise UsageError(
                f"{newest.model} is served with other weights, from {str(newest.directory)!r}",
                fix="Give new weights a new version",
            )
        await self._check(newest)
        return newest

    async def _load(self, served: Served) -> Exception | None:
        """Why the server did not; None: it has loaded it."""
        body = {"lora_name": served.model, "lora_path": str(served.directory)}
        response = await self._routes.answer("POST", "/v1/load_lora_adapter", body)
        if response.status_code == 200:
            return None
        said = message_of(response)
        if response.status_code == 404 and "No adapter found" in said:
            return UsageError(f"The server does not see {str(served.directory)!r}", fix="Publish from a shared path")
        if response.status_code in (404, 405) or "lora is not enabled" in said.lower():
            return UsageError(
                f"The server at {self._routes.root} loads no adapters",
                fix="Start it with flowwright serve MODEL --lora",
            )
        if response.status_code == 500:
            return ProviderError(
                f"{str(served.directory)!r} does not fit the model served: {said}", code="invalid_request", status=500
            )
        return self._routes.refusal(response)

    async def _check(self, served: Served) -> None:
        """That this very adapter is listed, and answers."""
        listed = [one for one in await self.served(served.name) if one.version == served.version]
        if listed != [served]:
            where = f"from {str(listed[0].directory)!r}" if listed else "not at all"
            raise ProviderError(
                f"wrong model: {served.model} was loaded from {str(served.directory)!r}, the server has it {where}",
                code="wrong_model",
            )
        body = {"model": served.model, "prompt": [1], "max_tokens": 1}
        answered = (await self._routes.json("POST", "/v1/completions", body)).get("model")
        if answered != served.model:
            raise ProviderError(f"wrong model: asked for {served.model!r}, {answered!r} answered", code="wrong_model")

    async def _retire(self, name: str) -> tuple[Served, ...]:
        old = (await self.served(name))[: -self._keep]
        for one in old:
            await self._unload(one.model)
        return tuple(old)

    async def _unload(self, model: str) -> None:
        """Requests under way end with the version that they began with; vLLM drops it afterwards."""
        response = await self._routes.answer("POST", "/v1/unload_lora_adapter", {"lora_name": model})
        if response.status_code not in (200, 404):
            raise self._routes.refusal(response)


def _versions(models: list[dict[str, Any]], name: str | None) -> list[Served]:
    found = []
    for model in models:
        match = _SERVED.fullmatch(model["id"]) if model.get("parent") else None
        if match and name in (None, match[1]):
            found.append(Served(match[1], int(match[2]), Path(model["root"])))
    return sorted(found, key=lambda one: (one.name, one.version))


def _check_base(adapter: AdapterDirectory, models: list[dict[str, Any]]) -> None:
    """Weights of another model of the same shape would load, and answer nonsense."""
    bases = [model for model in models if not model.get("parent")]
    known = {Path(str(model[key])).name for model in bases for key in ("id", "root") if model.get(key)}
    if adapter.base is not None and Path(adapter.base).name not in known:
        raise UsageError(
            f"{str(adapter.path)!r} was trained on {adapter.base!r}, the server has {', '.join(sorted(known))}",
            fix="Serve that model, or pass any_base=True if it is the same under another name",
        )
