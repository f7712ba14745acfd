"""Only what may pass is tried again: a bounded number of attempts, a deadline over all of them, each attempt visible.

Permanent faults and everything that is not a provider fault are raised at once. The request stays the same in every
attempt (same seed, same idempotency key), so a server that keeps answers never works twice for one operation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from .faults import ProviderError, classify

T = TypeVar("T")
OnFault = Callable[[ProviderError, int], None]
"""Told of each failed attempt: the fault, and the attempt's number from 1."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How long to insist."""

    attempts: int = 5
    """Attempts at most, the first included."""
    seconds: float = 900.0
    """Wall-clock seconds for all attempts and waits together; no wait begins that would pass it."""
    first_wait: float = 0.5
    """Seconds before the second attempt, doubled each time; up to as many are added to each wait at random."""
    longest_wait: float = 30.0
    """Seconds of back-off at most, before the random part. A server's own Retry-After may ask for more."""


async def call_with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    retries: Retries | None = None,
    on_fault: OnFault | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """What `call()` returns. Raises ProviderError (`attempts` set) when it cannot be had, and anything that is not a
    provider fault unchanged. An attempt under way at the deadline is cancelled. `retries` None: the defaults."""
    limits = retries or Retries()
    deadline = asyncio.get_running_loop().time() + limits.seconds
    attempts = _Attempts(on_fault)

    async def attempt() -> T:
        try:
            async with asyncio.timeout_at(deadline):
                return await call()
        except Exception as error:
            fault = attempts.failed(error)
            if fault is error:
                raise
            raise fault from error

    return await AsyncRetrying(
        stop=stop_after_attempt(limits.attempts) | stop_before_delay(limits.seconds),
        wait=_wait(limits),
        retry=retry_if_exception(_may_pass),
        sleep=sleep,
        reraise=True,
    )(attempt)


class _Attempts:
    """Counts the attempts of one call and types what they raise."""

    def __init__(self, on_fault: OnFault | None) -> None:
        self.made = 0
        self.on_fault = on_fault

    def failed(self, error: Exception) -> Exception:
        """What to raise for `error`: its provider fault, or itself."""
        self.made += 1
        fault = classify(error)
        if fault is None:
            return error
        fault.attempts = self.made
        if self.on_fault is not None:
            self.on_fault(fault, self.made)
        return fault


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.retryable


def _wait(limits: Retries) -> Callable[[RetryCallState], float]:
    growing = wait_exponential(multiplier=limits.first_wait, max=limits.longest_wait)
    back_off = growing + wait_random(0, limits.first_wait)

    def seconds(state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, ProviderError) else None
        return max(back_off(state), asked or 0.0)

    return seconds
