"""What is kept of an answer: each field is read off the reply, none made up; it is equal when it is recalled."""

from __future__ import annotations

from collections.abc import Iterable

from langchain_core.messages import BaseMessage

from ..policies.faults import ProviderError
from ..policies.prefix import Prefix
from ..policies.price import Price
from ..policies.reply import Reply
from .call_record import CallRecord, Message
from .faults import BudgetExhausted
from .prompt_delta import Spoken, restored, told

ROLES = {"human": "user", "ai": "assistant"}


def answered(record: CallRecord, reply: Reply, parent: Spoken | None, price: Price | None) -> CallRecord:
    """`record` with what came back; `parent` is the call that its prompt is told relative to, `price` None: unknown."""
    spoken, money = restored(record, parent), None
    if price is not None:
        money = (reply.input_tokens * price[0] + reply.output_tokens * price[1]) / 1e6
    sent = {name: value for name, value in (reply.sent or {}).items() if name not in ("model", "key")}
    return {
        **record,
        "model": reply.model, "version": reply.version, "sent": None if reply.sent is None else sent,
        "prompt": told(spoken.messages, reply.prompt_token_ids, parent),
        "reply": reply.text, "token_ids": reply.token_ids, "logprobs": reply.logprobs,
        "logprobs_mode": reply.logprobs_mode, "constrained": reply.constrained, "incomplete": reply.tokens_incomplete,
        "finish_reason": reply.finish_reason, "input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens,
        "estimated": reply.estimated, "money": money,
    }  # fmt: skip


def reply_of(record: CallRecord) -> Reply:
    """What the caller of a model reads; the tokens stay in the record."""
    return Reply(
        text=record["reply"], input_tokens=record["input_tokens"], output_tokens=record["output_tokens"],
        estimated=record["estimated"], finish_reason=record["finish_reason"], model=record["model"],
    )  # fmt: skip


def prefix_of(record: CallRecord, parent: Spoken | None) -> Prefix | None:
    """The tokens that the prompt begins with, where it goes on with the parent's conversation; None: it does not."""
    goes_on = parent is not None and record["prompt"]["messages"] == len(parent.conversation)
    if parent is None or not goes_on or parent.tokens is None:
        return None
    return Prefix(len(parent.conversation), parent.tokens)


def error_line(error: ProviderError | BudgetExhausted) -> str:
    """An error as a record keeps it."""
    code = error.code if isinstance(error, ProviderError) else "budget"
    return f"{code}: {error.message}"


def raise_for(record: CallRecord) -> None:
    """The error of a call that was not answered, as it was raised then."""
    if record["error"] is None:
        return
    code, _, message = record["error"].partition(": ")
    raise BudgetExhausted(message) if code == "budget" else ProviderError(message, code=code)  # type: ignore[arg-type]


def active(records: Iterable[CallRecord]) -> float:
    """Seconds covered by at least one of the calls."""
    total, reached = 0.0, float("-inf")
    for began, ended in sorted((one["began"], one["began"] + one["seconds"]) for one in records):
        total += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return total


def plain(message: BaseMessage) -> Message:
    """A message in the form of chat completions."""
    return {"role": ROLES.get(message.type, message.type), "content": str(message.text)}
