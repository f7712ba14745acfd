"""A call record is one model call as it really was: who asked, what was sent, which tokens were read and sampled.

Invariants: what was sampled is kept as it was sampled, in ids and log-probs of equal number; a prompt is kept as what
it adds to its parent's prompt and reply, so that a run's records grow with the run and not with its square; nothing in
a record is computed from text. Values are JSON-native.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

Message = dict[str, Any]
"""`{"role": ..., "content": ...}` in the form of chat completions, `tool_calls` and `tool_call_id` where there are."""

LogprobsMode = Literal["processed", "raw"]


class PromptRecord(TypedDict):
    """A prompt, as what it adds to that of its parent. The parent's *conversation* is its messages and its reply; the
    parent's *tokens* are its prompt ids and its completion ids."""

    parent: str | None
    """Id of the call it is told relative to; None: it stands alone, and `rest` and `ids` are all of it."""
    messages: int
    """Messages of the parent's conversation that come first, unchanged."""
    pieces: list[str | list[int]]
    """The content of the first message of `rest`, made from that of the parent's next message: `[line, count]` is so
    many of its lines, a string is new lines. Empty: it is written out in `rest`."""
    rest: list[Message]
    """The other messages."""
    tokens: int
    """Tokens of the parent that come first."""
    ids: list[int] | None
    """The other prompt ids, as the server tokenized them; None: it did not say."""
    continues: bool
    """Whether *all* tokens of the parent come first, so that both are one row of training data. False for a prompt that
    was written anew: a fork."""


class CallRecord(TypedDict):
    """One model call of a run."""

    id: str
    """`RUN/TURN/ROLE/PLACE/SAMPLE.SEQUENCE`; unique in a store."""
    at: list[int]
    """Place in the run, for ordering: turn, phase of the turn, place, sample, sequence."""
    run: str
    """Id of the run it was made in. After a fork a thread also holds calls of the run that was forked."""
    turn: int
    role: str
    """One of the five roles; of a graph that is not ours, the name of its node."""
    place: str
    """Which branch of the turn: an operation's id, the attempt of a decision, or what was asked."""
    key: str
    """Idempotency key under which it was sent and journaled."""
    checkpoint: str | None
    """Checkpoint its task started from; None: no checkpointer."""
    namespace: str
    """`checkpoint_ns` of the task: `node:task`, joined by `|` for nested graphs."""
    task: str | None
    """LangGraph's task id; None: made outside a task."""
    attempt: int
    """Of the task, from 1; higher after LangGraph retried the node."""
    policy: str
    """Public name of the policy."""
    model: str | None
    """Which model answered; None: the server did not say."""
    version: str | None
    """What exactly answered: the adapter with its number, the fingerprint of local weights; None: unknown."""
    sampling: dict[str, Any]
    """Asked for: temperature, max_tokens, top_p, seed."""
    schema: str | None
    """Digest of the JSON schema that decoding was constrained to; None: it was free."""
    sent: dict[str, Any] | None
    """The request body as it went out, without secrets, its messages as a digest (`policies.sent`); None: not seen."""
    prompt: PromptRecord
    reply: str
    """The text."""
    message: Message | None
    """The reply as a message, where it is more than its text (tool calls); None: it is not."""
    token_ids: list[int] | None
    """What was sampled; None: the provider gave no ids."""
    logprobs: list[float] | None
    """Natural logarithms, one a sampled token; None as above."""
    logprobs_mode: LogprobsMode | None
    """`processed`: of the distribution sampled from; `raw`: before temperature, nucleus, penalties; None: unknown."""
    constrained: bool
    """Whether a grammar masked the sampling. Tokens with a log-prob of exactly 0 were forced by it."""
    incomplete: bool
    """Whether ids were asked for and came back missing or in numbers that do not agree. Not for training."""
    finish_reason: str | None
    input_tokens: int
    output_tokens: int
    estimated: bool
    """Whether the counts are guessed because the provider gave none."""
    money: float | None
    """USD; None: the model has no known price."""
    began: float
    """Unix seconds."""
    seconds: float
    """Wall clock until the answer was whole, retries included."""
    error: str | None
    """`CODE: MESSAGE` of a call that failed for good (no tokens then), or, where the graph is not ours, of a reply that
    could not be used as it came (a malformed tool call, a broken stream; with tokens); None: nothing was wrong."""
