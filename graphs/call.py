"""One paid call: budgeted before, retried on provider faults only, journaled before the node goes on, metered after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue, StringPromptValue
from langchain_core.runnables import Runnable, RunnableConfig

from ..digest import digest
from ..policies.policy import Policy
from ..policies.reply import Reply
from ..policies.retry import call_with_retries
from ..sampling import Sampling
from .bridge import bridge
from .budget import Usage, no_usage, spend
from .faults import BudgetExhausted
from .journal import Journal
from .operation import derived_seed


class Caller:
    """Hands out metered models to one operation or decision. Satisfies the operators' `Sampler`."""

    def __init__(
        self, policy: Policy, journal: Journal, *, run: str, place: str, seed: int, calls: float | None,
        seconds: float | None, sampling: Sampling | None = None,
    ) -> None:  # fmt: skip
        """`run` is the run's id and `place` is `TURN/ROLE/WHERE` in it, both from the runtime: the run scopes the
        journal, the place alone decides the seed, so that two runs of one seed sample alike. `calls` and `seconds`
        are what may still be spent here (None: unlimited); `sampling` stands in for what is asked (None: as asked)."""
        self.policy = policy
        self.journal = journal
        self.run = run
        self.place = place
        self.seed = seed
        self.calls = calls
        self.seconds = seconds
        self.sampling = sampling
        self.usage: Usage = no_usage()
        self.model: str | None = None
        self.last_key = ""

    def __call__(self, sampling: Sampling, sample: int) -> Runnable[LanguageModelInput, BaseMessage]:
        """The model for sample number `sample`, which decides its seed."""
        return self.model_for(sampling, sample)

    def model_for(
        self, sampling: Sampling, sample: int = 0, schema: dict[str, Any] | None = None
    ) -> Runnable[LanguageModelInput, BaseMessage]:
        """As `__call__`, with constrained decoding to `schema` where the policy's server offers it."""
        return MeteredCall(self, self.sampling or sampling, sample, schema)

    def take(self) -> None:
        """Claim one call, or raise BudgetExhausted."""
        if self.calls is not None and self.usage["calls"] >= self.calls:
            raise BudgetExhausted(f"no model call is left for {self.place}")
        self.usage = spend(self.usage, {"calls": 1})

    def count(self, reply: Reply) -> None:
        """Meter an answered call."""
        self.model = reply.model
        tokens = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
        self.usage = spend(self.usage, tokens)
        if self.policy.price is None:
            self.usage = spend(self.usage, {"unpriced": 1})
        else:
            per_input, per_output = self.policy.price
            money = (reply.input_tokens * per_input + reply.output_tokens * per_output) / 1e6
            self.usage = spend(self.usage, {"money": money})


class MeteredCall(Runnable[LanguageModelInput, BaseMessage]):
    """A chat model with one seed, one journal key and one claim on the budget."""

    def __init__(self, caller: Caller, sampling: Sampling, sample: int, schema: dict[str, Any] | None) -> None:
        """See `Caller.model_for`."""
        self.caller = caller
        self.sampling = sampling
        self.sample = sample
        self.schema = schema
        self.seed = derived_seed(caller.seed, caller.place, sample)

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> BaseMessage:
        """`ainvoke` for synchronous callers."""
        return bridge().run(self.ainvoke(input, config, **kwargs))

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> BaseMessage:
        """The reply: from the journal if this very call was answered before, else from the model. Raises
        BudgetExhausted, ProviderError."""
        messages = messages_of(input)
        caller = self.caller
        key = caller.last_key = self.key(messages)
        caller.take()
        stored = caller.journal.recall(key)
        if stored is not None:
            reply = Reply.from_json(json.loads(stored))
        else:
            model = caller.policy.at(self.sampling, seed=self.seed, key=key, schema=self.schema)
            reply = Reply.of(await self.within(lambda: model.ainvoke(messages, config, **kwargs)))
            await caller.journal.arecord(key, json.dumps(reply.as_json()).encode())
        caller.count(reply)
        return reply.as_message()

    async def within(self, call: Callable[[], Awaitable[BaseMessage]]) -> BaseMessage:
        """`call` with retries, inside the seconds that are left."""
        try:
            async with asyncio.timeout(self.caller.seconds):
                return await call_with_retries(call)
        except TimeoutError as error:
            raise BudgetExhausted(f"the time budget ran out during {self.caller.place}") from error

    def key(self, messages: list[BaseMessage]) -> str:
        """Idempotency key: where the call stands in the run, plus a digest of all that decides its reply."""
        said = [[message.type, message.content] for message in messages]
        content = [self.caller.policy.name, self.sampling.as_json(), self.seed, self.schema, said]
        return f"{self.caller.run}/{self.caller.place}/{self.sample}/{digest(content, 16)}"


def messages_of(value: LanguageModelInput) -> list[BaseMessage]:
    """The messages of anything a chat model takes."""
    if isinstance(value, PromptValue):
        return value.to_messages()
    return StringPromptValue(text=value).to_messages() if isinstance(value, str) else convert_to_messages(value)
