"""A reply is read once, whole: while it streams, its text grows and nothing is concluded from it; the last outcome of
a stream equals the outcome of a plain call. A reply without text is an error, a reply cut off is marked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.output_parsers import BaseTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable
from typing_extensions import override

from .outcome import EmptyReply, Outcome, OutcomeKind
from .template import Builder, Job

Reader = Callable[[str], Outcome]

FINISH_FIELDS: Final = ("finish_reason", "stop_reason", "done_reason")
CUT_OFF: Final = frozenset({"length", "max_tokens"})


def one_reply(read: Reader) -> Builder:
    """The builder of most operators: main prompt, one model call, and `read`, which turns the text into an Outcome."""

    def build(job: Job) -> Runnable[dict[str, Any], Outcome]:
        return reply_chain(job, read, sample=0)

    return build


def reply_chain(job: Job, read: Reader, *, sample: int) -> Runnable[dict[str, Any], Outcome]:
    """Prompt, model and parser of the call with index `sample` of `job`."""
    template = job.template
    assert job.sampler is not None, "bind gives a sampler to every template that needs a model"
    prompt = template.prompts[0].chat().partial(**job.variables())
    model = job.sampler(template.sampling, sample)
    return prompt | model | OutcomeParser(operator=template.name, kind=template.output, read=read)


class OutcomeParser(BaseTransformOutputParser[Outcome]):
    """The text of a model's reply as an Outcome. Partial outcomes of a stream carry kind and content only."""

    operator: str
    kind: OutcomeKind
    read: Reader

    @property
    @override
    def OutputType(self) -> type[Outcome]:
        return Outcome

    @override
    def parse(self, text: str) -> Outcome:
        return self._read(text, cut=False)

    @override
    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Outcome:
        generation = result[0]
        if isinstance(generation, ChatGeneration):
            return self._of(generation.message)
        return self.parse(generation.text)

    @override
    async def aparse_result(self, result: list[Generation], *, partial: bool = False) -> Outcome:
        return self.parse_result(result, partial=partial)

    @override
    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Outcome]:
        seen, last = None, None
        for piece in input:
            seen = _joined(seen, piece)
            if partial := self._partial(seen, last):
                yield (last := partial)
        if (final := self._of(seen)) != last:
            yield final

    @override
    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Outcome]:
        seen, last = None, None
        async for piece in input:
            seen = _joined(seen, piece)
            if partial := self._partial(seen, last):
                yield (last := partial)
        if (final := self._of(seen)) != last:
            yield final

    def _partial(self, seen: BaseMessage, last: Outcome | None) -> Outcome | None:
        text = str(seen.text).strip()
        return Outcome(kind=self.kind, content=text) if text and (last is None or text != last.content) else None

    def _of(self, message: BaseMessage | None) -> Outcome:
        if message is None:
            return self._read("", cut=False)
        return self._read(str(message.text), cut=was_cut(message))

    def _read(self, text: str, *, cut: bool) -> Outcome:
        if not text.strip():
            raise EmptyReply(
                f"the model gave {self.operator} an empty reply" + (" (cut at the token limit)" if cut else ""),
                fix="Raise max_tokens" if cut else "Try again, or shorten the inputs",
            )
        outcome = self.read(without_thinking(text).strip())
        return outcome.model_copy(update={"data": {**outcome.data, "truncated": True}}) if cut else outcome


def without_thinking(text: str) -> str:
    """What follows the last `</think>`: some servers leave a reasoning model's thoughts in its reply. The whole text
    where nothing follows."""
    _, _, said = text.rpartition("</think>")
    return said if said.strip() else text


def was_cut(message: BaseMessage) -> bool:
    """Whether the server stopped `message` at its token limit, in the words of any provider."""
    said = message.response_metadata
    return any(str(said.get(name)).lower() in CUT_OFF for name in FINISH_FIELDS)


def _joined(seen: BaseMessageChunk | None, piece: str | BaseMessage) -> BaseMessageChunk:
    if isinstance(piece, str):
        piece = AIMessageChunk(content=piece)
    elif not isinstance(piece, BaseMessageChunk):
        piece = AIMessageChunk(content=piece.content, response_metadata=piece.response_metadata)
    if seen is None:
        return piece
    joined = seen + piece
    assert isinstance(joined, BaseMessageChunk), "two chunks of one reply add up to a chunk"
    return joined
