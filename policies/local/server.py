"""One thread owns a model and its tokenizer. Requests that arrive while others decode join at the next step; what is
done leaves at once; the cache never holds more than it may. An error ends the calls it concerns and no others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import Final

from ..faults import ProviderError
from .batch import Batch
from .desk import Desk, Waiting, refuse
from .prompt import Prompter
from .request import Request, Sampled
from .row import Row
from .weights import Loaded

ROOM: Final = 32
"""Columns that must be free for a row to join, so that it is not put off again right away."""


@dataclass(frozen=True)
class Limits:
    """How much decodes at once."""

    rows: int = 32
    cells: int = 65_536
    """Tokens in the cache, padding included: rows times the longest. One row alone may always go on to the end of the
    model's context."""


def serve(desk: Desk, load: Callable[[], Loaded], limits: Limits) -> None:
    """Answer what comes to the desk until it is closed."""
    import torch

    server: Server | None = None
    try:
        with torch.inference_mode():
            while (taken := desk.take(wait=server is None or server.idle)) is not None:
                try:
                    server = server or Server(load(), limits)
                except Exception as error:  # noqa: BLE001 - delivered to the callers; the next one tries again
                    refuse([reply for _, reply in taken], error)
                    continue
                server.go_on(taken)
    finally:  # whatever ended the thread, nobody is left waiting
        desk.close()
        desk.take(wait=False)
        if server is not None:
            server.fail(server.rows, desk.refusal())


class Server:
    """The rows that decode and those that wait for room."""

    def __init__(self, loaded: Loaded, limits: Limits) -> None:
        """Nothing decodes yet."""
        self.loaded = loaded
        self.limits = limits
        self.prompter = Prompter(loaded.tokenizer, loaded.ends)
        self.batch = Batch(loaded.model)
        self.waiting: deque[Row] = deque()
        self.numbers = count()

    @property
    def rows(self) -> list[Row]:
        """All that are not done."""
        return [*self.batch.rows, *self.waiting]

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.batch.rows and not self.waiting

    def go_on(self, taken: list[Waiting]) -> None:
        """One token more for every row that has room, those just taken included."""
        for request, reply in taken:
            try:
                self.waiting.append(self.row(request, reply))
            except Exception as error:  # noqa: BLE001 - delivered to the caller it belongs to
                refuse([reply], error)
        self.drop_cancelled()
        self.make_room()
        if self.batch.rows:
            self.attempt(self.batch.rows, self.batch.step)
        if joining := self.admitted():
            self.attempt(joining, lambda: self.batch.join(joining))

    def row(self, request: Request, reply: Future[Sampled]) -> Row:
        """The request with its prompt in tokens. Raises ProviderError for a prompt that the model cannot read."""
        import torch

        loaded = self.loaded
        prompt = self.prompter.ids(request.messages, request.prefix)
        if not prompt or not 0 <= min(prompt) <= max(prompt) < loaded.vocabulary:
            raise ProviderError(f"{loaded.name} cannot read this prompt's tokens", code="invalid_request")
        free = loaded.context - len(prompt) if loaded.context else request.max_tokens
        if free < 1:
            text = f"{len(prompt)} prompt tokens leave no room in the {loaded.context} of {loaded.name}"
            raise ProviderError(text, code="context_overflow")
        seed = int(torch.randint(2**63 - 1, ())) if request.seed is None else request.seed
        return Row(next(self.numbers), request, reply, prompt, min(request.max_tokens, free), seed)

    def drop_cancelled(self) -> None:
        """Forget rows that nobody waits for."""
        self.waiting = deque(row for row in self.waiting if not row.reply.cancelled())
        self.batch.leave([row for row in self.batch.rows if row.reply.cancelled()])

    def make_room(self) -> None:
        """Put off the rows that came last until the next token of the others fits. What they have drawn is kept."""
        while len(self.batch.rows) > 1 and len(self.batch.rows) * (self.batch.width + 1) > self.limits.cells:
            last = max(self.batch.rows, key=lambda row: row.number)
            self.batch.leave([last])
            self.waiting.appendleft(last)

    def admitted(self) -> list[Row]:
        """The rows that join now, in the order they came; at least one when nothing decodes."""
        joining: list[Row] = []
        width = self.batch.width
        while self.waiting:
            many = len(self.batch.rows) + len(joining) + 1
            width = max(width, len(self.waiting[0]))
            full = many > self.limits.rows or many * (width + ROOM) > self.limits.cells
            if full and many > 1:
                break
            joining.append(self.waiting.popleft())
        return joining

    def attempt(self, rows: list[Row], work: Callable[[], None]) -> None:
        """Do `work`, which gives each of `rows` a token, and let go of those that are done."""
        rows = list(rows)
        try:
            work()
        except Exception as error:  # noqa: BLE001 - delivered to the callers it concerns
            self.put_off([row for row in self.batch.rows if row not in rows])
            line = " ".join(str(error).split())[:200]
            fault = ProviderError(f"{self.loaded.name} failed: {type(error).__name__}: {line}")
            fault.__cause__ = error
            self.fail(rows, fault)
            return
        self.batch.leave([row for row in rows if self.settled(row)])

    def put_off(self, rows: list[Row]) -> None:
        """Empty the batch, of which a failure may have left anything, and let `rows` join anew before all others."""
        self.batch.leave(self.batch.rows)
        self.waiting.extendleft(sorted(rows, key=lambda row: row.number, reverse=True))

    def settled(self, row: Row) -> bool:
        """Whether the row has its last token; if so, its caller has the reply."""
        if not math.isfinite(row.logprobs[-1]):
            self.fail([row], ProviderError(f"{self.loaded.name} computed no probabilities", code="bad_response"))
            return True
        try:
            made = self.finished(row)
        except Exception as error:  # noqa: BLE001 - delivered to the caller it belongs to
            self.fail([row], error)
            return True
        if made is not None and row.reply.set_running_or_notify_cancel():
            row.reply.set_result(made)
        return made is not None

    def finished(self, row: Row) -> Sampled | None:
        """The reply; None: it goes on."""
        text = self.text_before_stop(row)
        stopped = row.tokens[-1] in self.loaded.ends or text is not None
        if not stopped and len(row.tokens) < row.limit:
            return None
        if text is None:
            text = self.loaded.tokenizer.decode(row.tokens, skip_special_tokens=True)
        finish = "stop" if stopped else "length"
        return Sampled(row.prompt, row.tokens, row.logprobs, text, finish, row.seed, self.loaded.version)

    def text_before_stop(self, row: Row) -> str | None:
        """The reply up to the first of the request's stop texts; None: none is in it."""
        if not row.request.stop:
            return None
        text: str = self.loaded.tokenizer.decode(row.tokens, skip_special_tokens=True)
        places = [place for stop in row.request.stop if (place := text.find(stop)) >= 0]
        return text[: min(places)] if places else None

    def fail(self, rows: list[Row], error: Exception) -> None:
        """Give `error` to the callers of `rows`."""
        refuse([row.reply for row in rows], error)
