"""One paid call: budgeted before, retried on provider faults only, journaled before the node goes on, metered after,
and kept as a record of what was really sent and sampled."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue, StringPromptValue
from langchain_core.runnables import Runnable, RunnableConfig

from ..digest import digest
from ..policies.faults import ProviderError
from ..policies.policy import Policy
from ..policies.reply import Reply
from ..policies.retry import call_with_retries
from ..sampling import Sampling
from .answer_record import active, answered, error_line, plain, prefix_of, raise_for, reply_of
from .bridge import bridge
from .budget import Usage, no_usage, spend
from .call_packing import Packed, packed, unpacked
from .call_record import CallRecord
from .faults import BudgetExhausted
from .journal import Journal
from .operation import derived_seed
from .prompt_delta import Spoken, restored, told
from .where import Where

PHASES = {"summarizer": 0, "designer": 1, "executor": 2, "verifier": 3, "generator": 4, "summary": 5}
"""Order of the roles in a turn; a model's summary comes after what it sums up."""


@dataclass
class Caller:
    """Hands out metered models to one operation or decision. Satisfies the operators' `Sampler`."""

    policy: Policy
    journal: Journal
    run: str
    """Id of the run: scopes the journal."""
    turn: int
    role: str
    place: str
    """Which branch of the turn. Turn, role and place alone decide the seeds: two runs of one seed sample alike."""
    index: int
    """Number of the place in its turn, for ordering."""
    seed: int
    calls: float | None
    """Model calls that may still be made here; None: unlimited."""
    seconds: float | None
    """Wall-clock seconds that are left; None: unlimited."""
    where: Where = field(default_factory=Where)
    sampling: Sampling | None = None
    """Stands in for what is asked; None: as asked."""
    parent: Spoken | None = None
    """The call before this one in the same role and by the same policy; None: there is none."""
    usage: Usage = field(default_factory=no_usage, init=False)
    model: str | None = field(default=None, init=False)
    """Model that answered last."""
    made: list[CallRecord] = field(default_factory=list, init=False)
    """In the order in which they ended."""
    _begun: Counter[int] = field(default_factory=Counter, init=False)

    def __call__(self, sampling: Sampling, sample: int) -> Runnable[LanguageModelInput, BaseMessage]:
        """The model for sample number `sample`, which decides its seed."""
        return self.model_for(sampling, sample)

    def model_for(
        self, sampling: Sampling, sample: int = 0, schema: dict[str, Any] | None = None
    ) -> Runnable[LanguageModelInput, BaseMessage]:
        """As `__call__`, with constrained decoding to `schema` where the policy's server offers it."""
        return MeteredCall(self, self.sampling or sampling, sample, schema)

    @property
    def path(self) -> str:
        """`TURN/ROLE/PLACE`."""
        return f"{self.turn}/{self.role}/{self.place}"

    @property
    def records(self) -> list[Packed]:
        """What was called, as the state keeps it, in an order that does not depend on who answered first. Prompts that
        stand alone are told relative to the one before: samples of one question share all of it."""
        ordered = sorted(self.made, key=lambda one: one["at"])
        if self.parent is not None:
            return [packed(one) for one in ordered]
        kept, before = list[Packed](), None
        for one in ordered:
            whole = restored(one, None)
            kept.append(packed({**one, "prompt": told(whole.messages, whole.prompt_ids, before)}))
            before = whole
        return kept

    @property
    def active_seconds(self) -> float:
        """Wall-clock seconds in which at least one call was under way, by the records alone: the same for a call that
        is recalled as for one that is made."""
        return active(self.made)

    def begin(self, sample: int) -> str:
        """Claim one call, or raise BudgetExhausted; `SAMPLE.SEQUENCE`, its number here."""
        if self.calls is not None and self.usage["calls"] >= self.calls:
            raise BudgetExhausted(f"no model call is left for {self.path}")
        self.usage = spend(self.usage, {"calls": 1})
        self._begun[sample] += 1
        return f"{sample}.{self._begun[sample] - 1}"

    def count(self, record: CallRecord) -> None:
        """Keep a call and meter it."""
        self.made.append(record)
        if record["error"] is not None:
            return
        self.model = record["model"]
        self.usage = spend(self.usage, {name: record[name] for name in ("input_tokens", "output_tokens")})
        self.usage = spend(self.usage, {"unpriced": 1} if record["money"] is None else {"money": record["money"]})


class MeteredCall(Runnable[LanguageModelInput, BaseMessage]):
    """A chat model with one seed, one journal key and one claim on the budget."""

    def __init__(self, caller: Caller, sampling: Sampling, sample: int, schema: dict[str, Any] | None) -> None:
        """See `Caller.model_for`."""
        self.caller = caller
        self.sampling = sampling
        self.sample = sample
        self.schema = schema
        self.seed = derived_seed(caller.seed, caller.path, sample)

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> BaseMessage:
        """`ainvoke` for synchronous callers."""
        return bridge().run(self.ainvoke(input, config, **kwargs))

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> BaseMessage:
        """The reply: from the journal if this very call was answered before, else from the model. Raises
        BudgetExhausted, ProviderError."""
        messages = messages_of(input)
        caller, key = self.caller, self.key(messages)
        number = caller.begin(self.sample)
        stored = caller.journal.recall(key)
        if stored is not None:
            record = unpacked(json.loads(stored))
            caller.count(record)
            raise_for(record)
            return reply_of(record).as_message()
        record = self.blank(messages, key, number)
        prefix = prefix_of(record, caller.parent) if caller.policy.bridges else None
        model = caller.policy.at(self.sampling, seed=self.seed, key=key, schema=self.schema, prefix=prefix)
        began = time.monotonic()
        try:
            reply = Reply.of(await self.within(lambda: model.ainvoke(messages, config, **kwargs)))
        except (ProviderError, BudgetExhausted) as error:
            record["seconds"] = round(time.monotonic() - began, 6)
            caller.count({**record, "error": error_line(error)})
            raise
        record["seconds"] = round(time.monotonic() - began, 6)
        record = answered(record, reply, caller.parent, caller.policy.price)
        await caller.journal.arecord(key, json.dumps(packed(record)).encode())
        caller.count(record)
        return reply_of(record).as_message()

    async def within(self, call: Callable[[], Awaitable[BaseMessage]]) -> BaseMessage:
        """`call` with retries, inside the seconds that are left."""
        try:
            async with asyncio.timeout(self.caller.seconds):
                return await call_with_retries(call)
        except TimeoutError as error:
            raise BudgetExhausted(f"the time budget ran out during {self.caller.path}") from error

    def key(self, messages: list[BaseMessage]) -> str:
        """Idempotency key: where the call stands in the run, plus a digest of all that decides its reply."""
        said = [[message.type, message.content] for message in messages]
        content = [self.caller.policy.name, self.sampling.as_json(), self.seed, self.schema, said]
        return f"{self.caller.run}/{self.caller.path}/{self.sample}/{digest(content, 16)}"

    def blank(self, messages: list[BaseMessage], key: str, number: str) -> CallRecord:
        """The record of a call before it is answered."""
        caller, where = self.caller, self.caller.where
        phase, path = PHASES.get(caller.place, PHASES[caller.role]), f"{caller.path}/{number}"
        asked = {name: value for name, value in self.sampling.as_json().items() if value is not None}
        return CallRecord(
            id=f"{caller.run}/{path}", at=[caller.turn, phase, caller.index, *map(int, number.split("."))],
            run=caller.run, turn=caller.turn, role=caller.role, place=caller.place, key=key,
            checkpoint=where.checkpoint, namespace=where.namespace, task=where.task, attempt=where.attempt,
            policy=caller.policy.name, model=None, version=None, sampling={**asked, "seed": self.seed},
            schema=None if self.schema is None else digest(self.schema, 16), sent=None,
            prompt=told([plain(one) for one in messages], None, caller.parent),
            reply="", message=None, token_ids=None, logprobs=None, logprobs_mode=None, constrained=False,
            incomplete=False, finish_reason=None, input_tokens=0, output_tokens=0, estimated=False, money=0.0,
            began=round(time.time(), 6), seconds=0.0, error=None,
        )  # fmt: skip


def messages_of(value: LanguageModelInput) -> list[BaseMessage]:
    """The messages of anything a chat model takes."""
    if isinstance(value, PromptValue):
        return value.to_messages()
    return StringPromptValue(text=value).to_messages() if isinstance(value, str) else convert_to_messages(value)
