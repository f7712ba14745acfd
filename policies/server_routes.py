"""The routes of a vLLM server beside its completions. Whatever it does not answer properly is a ProviderError."""

from __future__ import annotations

import os
from typing import Any

import httpx2

from .address import checked_url
from .faults import FaultCode, ProviderError, classify
from .transport import async_client, time_limits

KEY_VARIABLE = "VLLM_API_KEY"


class ServerRoutes:
    """Requests to one server, from any event loop."""

    def __init__(self, base_url: str, *, timeout: float = 60.0) -> None:
        """`base_url`: as clients know it, with or without `/v1`. `timeout`: seconds without a byte. Raises UsageError
        for anything that is no URL."""
        self.root = checked_url(base_url).removesuffix("/v1")
        self._client = async_client()
        self._client.timeout = time_limits(timeout)

    async def json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that is answered. Raises ProviderError for any status but 200, and for anything else."""
        response = await self.answer(method, path, body)
        if response.status_code != 200:
            raise self.refusal(response)
        try:
            value = response.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ProviderError(f"bad response: {path} answered no JSON object", code="bad_response")
        return value

    async def answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        """The answer, whatever its status. Raises ProviderError when there is none."""
        headers = {"Authorization": f"Bearer {key}"} if (key := os.environ.get(KEY_VARIABLE)) else {}
        try:
            return await self._client.request(method, self.root + path, json=body, headers=headers)
        except Exception as error:
            fault = classify(error)
            if fault is None:
                raise
            raise fault from error

    def refusal(self, response: httpx2.Response, code: FaultCode | None = None) -> ProviderError:
        """The fault that an answer tells of; `code` None: by its status."""
        error = httpx2.HTTPStatusError(message_of(response), request=response.request, response=response)
        fault = classify(error)
        return ProviderError(
            f"{response.request.url.path} answered HTTP {response.status_code}: {message_of(response)}",
            code=code or (fault.code if fault else "server"),
            status=response.status_code,
        )

    async def aclose(self) -> None:
        """Closes the running loop's connections."""
        await self._client.aclose()


def message_of(response: httpx2.Response) -> str:
    """The server's own words, one line of at most 300 characters."""
    try:
        body = response.json()
        text = body["error"]["message"] if "error" in body else body["detail"]
    except (ValueError, KeyError, TypeError):
        text = response.text
    return " ".join(str(text).split())[:300]
