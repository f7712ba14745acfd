"""A captured call becomes call records, one a sampled choice; one without a reply is a record too, of its error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...digest import digest
from ...graphs.call_record import CallRecord, Message
from ...graphs.prompt_delta import Spoken, told
from ...policies.captured import Captured, Choice
from ...policies.price import Price
from ...policies.tokens import Tokens
from .place import Place
from .recent import Said

_CONSTRAINING = ("response_format", "structured_outputs")


def choices_of(call: Captured) -> list[Choice]:
    """What was sampled; of a call without a reply one that is empty."""
    return call.choices or [Choice("", None, Tokens(), None)]


def call_record(
    call: Captured, number: int, place: Place, policy: str, price: Price | None, parent: Said | None
) -> tuple[CallRecord, Said]:
    """The record of choice `number` of a call, and what is remembered of it. `parent`: the call that its prompt is told
    relative to, None for none."""
    choice = choices_of(call)[number]
    tokens, ids = choice.tokens, choice.tokens.token_ids or None
    digests = {name: digest(one) for name, one in call.definitions.items()}
    counted = _counted(call, choice)
    id = f"{place.run or 'orphan'}/{place.namespace}/{place.attempt}/{place.execution.next()}"
    record = CallRecord(
        id=id, at=[int(call.began * 1e6), number], run=place.run, turn=place.step, role=place.node,
        place=place.branch, key=call.key, checkpoint=place.checkpoint, namespace=place.namespace, task=place.task,
        attempt=place.attempt, policy=policy, model=call.model, version=call.version, sampling=call.sampling,
        schema=next((digests[name] for name in _CONSTRAINING if name in digests), None),
        sent=_sent(call, digests, parent.digests if parent else {}),
        prompt=told(call.messages, tokens.prompt_token_ids, parent.spoken if parent else None), reply=choice.text,
        message=choice.message, token_ids=ids, logprobs=tokens.logprobs or None if ids else None,
        logprobs_mode=call.logprobs_mode, constrained=_constrained(call),
        incomplete=_incomplete(call, tokens, counted), finish_reason=choice.finish_reason,
        input_tokens=call.input_tokens, output_tokens=counted, estimated=call.estimated,
        money=_money(call, counted, price, number), began=call.began, seconds=call.seconds, error=call.error,
    )  # fmt: skip
    reply: Message = choice.message or {"role": "assistant", "content": choice.text}
    return record, Said(Spoken(id, call.messages, reply, tokens.prompt_token_ids, ids), digests)


def _counted(call: Captured, choice: Choice) -> int:
    """Tokens of one choice: the server counts those of all together."""
    return call.output_tokens if len(call.choices) < 2 else len(choice.tokens.token_ids)


def _sent(call: Captured, digests: Mapping[str, str], known: Mapping[str, str]) -> dict[str, Any] | None:
    """With each definition in full, unless the parent was sent the same."""
    if call.sent is None and not call.definitions:
        return None
    return {**(call.sent or {}), **{
        name: {"digest": digests[name]} | ({} if known.get(name) == digests[name] else {"definition": one})
        for name, one in call.definitions.items()
    }}  # fmt: skip


def _constrained(call: Captured) -> bool:
    form = call.definitions.get("response_format") or {}
    free = {"structured_outputs"}.isdisjoint(call.definitions) and form.get("type", "text") == "text"
    return not free or (call.sent or {}).get("tool_choice") not in (None, "auto", "none")


def _incomplete(call: Captured, tokens: Tokens, counted: int) -> bool:
    if call.incomplete or not call.asked or not call.choices:
        return call.incomplete
    return not tokens.agree(None if call.error else counted)


def _money(call: Captured, output: int, price: Price | None, number: int) -> float | None:
    """USD; what was read is paid for once."""
    if price is None:
        return None
    return ((0 if number else call.input_tokens) * price[0] + output * price[1]) / 1e6
