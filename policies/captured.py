"""What a provider call was, taken down where it was made: a reply that LangChain cannot represent is kept all the same.

Invariant: ids, log-probs and texts are those of the reply itself; nothing is re-tokenized, repaired or left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk
from pydantic_core import to_jsonable_python

from .reply import RECORD, Reply
from .tokens import Tokens

Message = dict[str, Any]
"""In the form of chat completions."""

DEFINITIONS = ("tools", "functions", "response_format", "structured_outputs")
"""Parts of a request that repeat from call to call; `sent` has their digests."""
_SAMPLING = ("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens")


CURRENT: ContextVar[Captured | None] = ContextVar("flowwright_current_call", default=None)
"""The call that is being made here."""


@dataclass
class Choice:
    """One sampled reply."""

    text: str
    message: Message | None
    """The reply as a message where it is more than its text; None: it is not."""
    tokens: Tokens
    finish_reason: str | None


@dataclass
class Captured:
    """One provider call, answered or not."""

    messages: list[Message]
    """The prompt."""
    sent: dict[str, Any] | None = None
    """The request body without messages and secrets (`sent.py`); None: not to be seen."""
    definitions: dict[str, Any] = field(default_factory=dict)
    """The parts named in `DEFINITIONS`, in full."""
    sampling: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    """The request's own id; empty: it had none."""
    asked: bool = False
    """Whether token ids were asked for."""
    choices: list[Choice] = field(default_factory=list)
    """Empty: there was no reply."""
    input_tokens: int = 0
    output_tokens: int = 0
    """Of all choices."""
    estimated: bool = False
    """Whether the counts are guessed."""
    model: str | None = None
    version: str | None = None
    logprobs_mode: Literal["processed", "raw"] | None = None
    incomplete: bool = False
    """Whether the model class itself says that token ids are missing."""
    on_wire: bool = False
    """Whether the request was seen where it leaves: what the model class makes of the reply adds nothing then."""
    strips: bool = False
    """Whether log-probs are in LangChain's reply only because they were asked for here, and are to be taken out."""
    settle: Callable[[], None] = field(default=lambda: None, repr=False)
    """Writes down what has come of a stream so far."""
    began: float = field(default_factory=time.time)
    """Unix seconds."""
    seconds: float = 0.0
    error: str | None = None
    """Why the reply could not be used as it came, or that there was none; None: nothing was wrong."""

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Inside, the call is only read: what cannot be read is noted and raises nothing."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a server may say anything, and the caller's call goes on
            self.incomplete = True
            self.error = self.error or f"not readable: {type(error).__name__}: {error}"[:200]

    def failed(self, error: BaseException) -> None:
        """What ended the call. A reader who leaves a stream ends it too."""
        said = " ".join(str(error).split())[:200]
        self.error = f"{type(error).__name__}: {said}" if said else type(error).__name__


def of_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain's messages in the form of chat completions."""
    made: Any = convert_to_openai_messages(list(messages))
    return list(made)


def fill_from_generations(
    captured: Captured, generations: Sequence[ChatGeneration], output: Mapping[str, Any] | None
) -> None:
    """Takes down what a chat model of any class returned; `output`: its `llm_output`. The record that a class of this
    package leaves in the message is taken out of it."""
    for generation in generations:
        message = generation.message
        metadata = {**(output or {}), **(generation.generation_info or {}), **message.response_metadata}
        reply = Reply.of(message.model_copy(update={"response_metadata": metadata}))
        message.response_metadata.pop(RECORD, None)
        spoken = Tokens(reply.prompt_token_ids, reply.token_ids or [], reply.logprobs or [])
        captured.choices.append(Choice(reply.text, _more_than_text(message), spoken, reply.finish_reason))
        captured.input_tokens = reply.input_tokens
        captured.output_tokens += reply.output_tokens
        captured.estimated = reply.estimated
        captured.model, captured.version, captured.logprobs_mode = reply.model, reply.version, reply.logprobs_mode
        captured.incomplete = captured.incomplete or reply.tokens_incomplete
        if reply.sent is not None:
            captured.sent = reply.sent
            captured.sampling = sampling_of(reply.sent)
            captured.key = str(reply.sent.get("key", ""))


def fill_from_chunks(captured: Captured, chunks: Sequence[ChatGenerationChunk]) -> None:
    """As `fill_from_generations`, of the chunks of a stream, as many as came."""
    said = [chunk.message for chunk in chunks if isinstance(chunk.message, AIMessageChunk)]
    if not said:
        return
    info: dict[str, Any] = {}
    for chunk in chunks:
        info |= chunk.generation_info or {}
    whole = said[0] + said[1:] if said[1:] else said[0].model_copy(deep=True)
    fill_from_generations(captured, [ChatGeneration(message=whole, generation_info=info)], None)
    for one in said:
        one.response_metadata.pop(RECORD, None)


def sampling_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Of a request body or of call arguments: what decides the sampling."""
    return {name: asked[name] for name in _SAMPLING if asked.get(name) is not None}


def definitions_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The parts named in `DEFINITIONS`, as plain data."""
    found = {name: body[name] for name in DEFINITIONS if body.get(name)}
    plain: dict[str, Any] = to_jsonable_python(found, fallback=lambda value: type(value).__name__)
    return plain


def _more_than_text(message: BaseMessage) -> Message | None:
    if not isinstance(message, AIMessage) or not message.tool_calls:
        return None
    made = of_messages([AIMessage(message.content, tool_calls=message.tool_calls)])[0]
    return {**made, "content": made.get("content") or None}
