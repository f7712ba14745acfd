"""A captured model is the user's own, to the last setting and exception, and every provider call it makes is handed
over once: a call that ends in an error or in the middle of a stream too.

Invariants: the copy has the class name, fields and streaming of the original; a call is handed over before control
returns to the caller; one that is answered from a cache is none. Calls of a `BaseChatOpenAI` are taken down on the wire
(`wire.py`), those of this package's classes from the record in their message, all others from the message alone.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from .captured import (
    CURRENT,
    Captured,
    definitions_of,
    fill_from_chunks,
    fill_from_generations,
    of_messages,
    sampling_of,
)

if TYPE_CHECKING:
    _Model = BaseChatModel
else:
    _Model = object

_inside: ContextVar[Any] = ContextVar("flowwright_inside", default=None)
"""The model whose call is being captured here: what it does to answer (a stream of its own, a thread) is that call."""


class Taker(Protocol):
    """Who the calls are handed to. Its methods do not raise."""

    def place(self, run_manager: Any) -> Any:
        """Where the call is made; asked before it is."""

    def take(self, place: Any, call: Captured) -> None:
        """A call that ended."""

    async def atake(self, place: Any, call: Captured) -> None:
        """As `take`."""


def captured(model: BaseChatModel, taker: Taker) -> BaseChatModel:
    """A copy of `model` that hands its calls to `taker`; of a captured model, one with this taker instead of its."""
    base = original(model)
    tapped = import_module(".wire", __package__).tapped(base) if _is_tapped(base) else {}
    made = base.model_copy(update=tapped)
    made.__class__ = _captured_class(type(base))
    hidden = {"_taker": taker, "_untapped": {name: getattr(base, name) for name in tapped}}
    object.__setattr__(made, "__pydantic_private__", {**(base.__pydantic_private__ or {}), **hidden})
    return made


def original(model: BaseChatModel) -> BaseChatModel:
    """A captured model as it was before; any other as it is."""
    if not isinstance(model, _Captured):
        return model
    private = dict(model.__pydantic_private__ or {})
    made = model.model_copy(update=private.pop("_untapped"))
    del private["_taker"]
    made.__class__ = type(model).__bases__[-1]
    object.__setattr__(made, "__pydantic_private__", private or None)
    return made


def taker_of(model: BaseChatModel) -> Taker | None:
    """Who a captured model hands its calls to; None: it is none."""
    return model._taker if isinstance(model, _Captured) else None


@cache
def _captured_class(base: type[BaseChatModel]) -> type[BaseChatModel]:
    """`base` with its calls captured. LangChain asks a class whether it streams, so only what is there is wrapped."""
    wrapped: list[type] = [_Generating]
    for name, mixin in (("_agenerate", _AGenerating), ("_stream", _Streaming), ("_astream", _AStreaming)):
        if getattr(base, name) is not getattr(BaseChatModel, name):
            wrapped.append(mixin)
    told = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    hidden = {"_taker": PrivateAttr(), "_untapped": PrivateAttr()}
    metaclass: Any = type(base)
    made: type[BaseChatModel] = metaclass(base.__name__, (*wrapped, base), {**told, **hidden})
    return made


class _Captured(_Model):
    """What is common to the wrappers."""

    _taker: Taker

    def _opened(self, messages: Any, run_manager: Any, arguments: dict[str, Any]) -> _Call:
        return _Call(self, messages, run_manager, arguments)


class _Generating(_Captured):
    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        plain: Any = super()._generate  # type: ignore[safe-super]
        manager = _manager(plain, run_manager)
        if _inside.get() is self:
            result: ChatResult = plain(messages, stop=stop, **manager, **kwargs)
            return result
        call = self._opened(messages, run_manager, kwargs)
        try:
            with call.running():
                result = plain(messages, stop=stop, **manager, **kwargs)
            call.answered(result)
        except BaseException as error:
            call.captured.failed(error)
            raise
        finally:
            self._taker.take(call.place, call.ended())
        return result


class _AGenerating(_Captured):
    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        manager = _manager(super()._agenerate, run_manager)
        if _inside.get() is self:
            return await super()._agenerate(messages, stop=stop, **manager, **kwargs)
        call = self._opened(messages, run_manager, kwargs)
        try:
            with call.running():
                result = await super()._agenerate(messages, stop=stop, **manager, **kwargs)
            call.answered(result)
        except BaseException as error:
            call.captured.failed(error)
            raise
        finally:
            await self._taker.atake(call.place, call.ended())
        return result


class _Streaming(_Captured):
    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        chunks = super()._stream(messages, stop=stop, **_manager(super()._stream, run_manager), **kwargs)
        if _inside.get() is self:
            yield from chunks
            return
        call = self._opened(messages, run_manager, kwargs)
        try:
            with closing(chunks):  # type: ignore[type-var]
                while (chunk := call.following(chunks)) is not None:
                    yield chunk
        except BaseException as error:  # a reader who leaves is a GeneratorExit
            call.captured.failed(error)
            raise
        finally:
            self._taker.take(call.place, call.ended())


class _AStreaming(_Captured):
    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = super()._astream(messages, stop=stop, **_manager(super()._astream, run_manager), **kwargs)
        if _inside.get() is self:
            async for chunk in chunks:
                yield chunk
            return
        call = self._opened(messages, run_manager, kwargs)
        try:
            async with aclosing(chunks):  # type: ignore[type-var]
                while (piece := await call.afollowing(chunks)) is not None:
                    yield piece
        except BaseException as error:
            call.captured.failed(error)
            raise
        finally:
            await self._taker.atake(call.place, call.ended())


class _Call:
    """One call while it is made."""

    def __init__(self, model: _Captured, messages: Any, run_manager: Any, arguments: dict[str, Any]) -> None:
        self.model = model
        self.place = model._taker.place(run_manager)
        asked = {**{name: getattr(model, name, None) for name in ("temperature", "top_p", "seed")}, **arguments}
        self.messages = messages
        self.captured = Captured([], sampling=sampling_of(asked), definitions=definitions_of(arguments))
        self.started = time.perf_counter()
        self.chunks: list[ChatGenerationChunk] = []
        self.result: ChatResult | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside: this is the call that is being made."""
        inside, current = _inside.set(self.model), CURRENT.set(self.captured)
        try:
            yield
        finally:
            CURRENT.reset(current)
            _inside.reset(inside)

    def following(self, chunks: Iterator[ChatGenerationChunk]) -> ChatGenerationChunk | None:
        """The stream's next chunk; None: it is over."""
        with self.running():
            chunk = next(chunks, None)
        return self._seen(chunk)

    async def afollowing(self, chunks: AsyncIterator[ChatGenerationChunk]) -> ChatGenerationChunk | None:
        """As `following`."""
        with self.running():
            chunk = await anext(chunks, None)
        return self._seen(chunk)

    def _seen(self, chunk: ChatGenerationChunk | None) -> ChatGenerationChunk | None:
        if chunk is not None and self.captured.strips:
            (chunk.generation_info or {}).pop("logprobs", None)
        if chunk is not None and not self.captured.on_wire:
            self.chunks.append(chunk)
        return chunk

    def answered(self, result: ChatResult) -> None:
        """The whole reply."""
        self.result = result
        for generation in result.generations:
            if self.captured.strips and generation.generation_info:
                generation.generation_info["logprobs"] = None  # as of a reply that was not asked for them

    def ended(self) -> Captured:
        """All that is known of the call."""
        call = self.captured
        call.seconds = time.perf_counter() - self.started
        with call.unharmed():
            if call.on_wire:
                call.settle()
                return call
            call.messages = of_messages(self.messages)
            if self.result is not None:
                fill_from_generations(call, self.result.generations, self.result.llm_output)
            fill_from_chunks(call, self.chunks)
        return call


def _manager(method: Any, run_manager: Any) -> dict[str, Any]:
    """`run_manager` as an argument, for methods that take one."""
    taken = signature(method).parameters.values()
    takes = any(one.name == "run_manager" or one.kind is one.VAR_KEYWORD for one in taken)
    return {"run_manager": run_manager} if takes else {}


def _is_tapped(model: BaseChatModel) -> bool:
    """Whether it is a `BaseChatOpenAI` that is not ours. By class name, so that nothing is imported to find out."""
    names = {kind.__name__ for kind in type(model).__mro__}
    return "BaseChatOpenAI" in names and "RecordedOpenAI" not in names
