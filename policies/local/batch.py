"""Rows that decode together. Invariant: a row is computed as if it were alone, but for rounding: its own positions,
its own mask, nothing of its neighbours.

Rows end in the same column and are padded on the left. All but a row's last token is in the cache. Rows join by a
prefill of their own, equal ones by one for all of them, and leave at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from .draw import draw
from .row import Row

if TYPE_CHECKING:
    import torch

    from .cache import RowCache

FULL: Final = 0.75
"""Rows are read together when the shorter has at least this share of the longer's tokens ..."""
NEAR: Final = 16
"""... or this many fewer at most: one pass over the model is worth that much padding."""


class Batch:
    """The rows and their cache."""

    def __init__(self, model: Any) -> None:
        """`model` is a causal language model of transformers, with attention layers only."""
        self.model = model
        self.rows: list[Row] = []
        self._cache: RowCache | None = None
        self._takes = set(inspect.signature(model.forward).parameters)

    @property
    def width(self) -> int:
        """Columns of the cache: one fewer than the tokens of the longest row."""
        return max(map(len, self.rows), default=1) - 1

    def join(self, rows: Sequence[Row]) -> None:
        """Read the tokens of `rows`, draw the next of each, and let them decode with the others from here on."""
        from .cache import RowCache

        self.model.eval()  # a trainer of this process may have left it in training mode, where dropout is on
        for group in alike(rows):
            logits, cache, places = self._read(group)
            advance(group, logits[places])
            if self._cache is None:
                self._cache = RowCache(len(cache.layers))
            self._cache.add(cache, places)
            self.rows += group

    def step(self) -> None:
        """One token more for every row."""
        import torch

        device = self.model.device
        ids = torch.tensor([[row.tokens[-1]] for row in self.rows], device=device)
        lengths = torch.tensor([len(row) for row in self.rows], device=device)
        advance(self.rows, self._forward(ids, lengths[:, None] - 1, lengths, self._cache))

    def leave(self, rows: Collection[Row]) -> None:
        """Let `rows` go, wherever they are."""
        gone = {id(row) for row in rows}
        places = [place for place, row in enumerate(self.rows) if id(row) not in gone]
        if len(places) == len(self.rows):
            return
        if not places:
            self.rows, self._cache = [], None
            return
        moves = list(fill(places))
        for source, target in moves:
            self.rows[target] = self.rows[source]
        del self.rows[len(places) :]
        assert self._cache is not None, "rows have a cache"
        self._cache.keep(moves, len(self.rows), self.width)

    def _read(self, rows: Sequence[Row]) -> tuple[torch.Tensor, Any, list[int]]:
        """Logits after the last token and the cache, once for rows that are equal; and each row's place in them."""
        import torch
        from transformers import DynamicCache

        told = [tuple(row.ids) for row in rows]
        once = {ids: place for place, ids in enumerate(dict.fromkeys(told))}
        device, longest = self.model.device, max(map(len, once))
        ids_B_T = torch.tensor([(0,) * (longest - len(ids)) + ids for ids in once], device=device)
        lengths_B = torch.tensor(list(map(len, once)), device=device)
        positions_B_T = torch.arange(longest, device=device) - (longest - lengths_B[:, None])
        cache = DynamicCache()
        logits_B_V = self._forward(ids_B_T, positions_B_T.clamp(min=0), lengths_B, cache)
        return logits_B_V, cache, [once[ids] for ids in told]

    def _forward(
        self, ids_B_T: torch.Tensor, positions_B_T: torch.Tensor, lengths_B: torch.Tensor, cache: Any
    ) -> torch.Tensor:
        """Logits of the last column, (rows, vocabulary). `lengths_B` counts all tokens of a row."""
        import torch

        given: dict[str, Any] = {"position_ids": positions_B_T, "logits_to_keep": 1}
        longest = int(lengths_B.max())
        if int(lengths_B.min()) < longest:
            columns = torch.arange(longest, device=lengths_B.device)
            given["attention_mask"] = (columns >= longest - lengths_B[:, None]).long()
        given = {name: value for name, value in given.items() if name in self._takes}
        logits: torch.Tensor = self.model(ids_B_T, past_key_values=cache, use_cache=True, **given).logits
        return logits[:, -1]


def advance(rows: Sequence[Row], logits_B_V: torch.Tensor) -> None:
    """Draw the next token of each row."""
    import torch

    device = logits_B_V.device
    asked = [(row.request.temperature, row.request.top_p, row.uniform) for row in rows]
    temperature_B, top_p_B, uniform_B = torch.tensor(asked, dtype=torch.float64, device=device).unbind(1)
    token_B, logprob_B = draw(logits_B_V, temperature_B.float(), top_p_B, uniform_B)
    for row, token, logprob in zip(rows, token_B.tolist(), logprob_B.tolist(), strict=True):
        row.add(token, logprob)


def alike(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows that waste little padding on one another."""
    group: list[Row] = []
    for row in sorted(rows, key=len, reverse=True):
        if group and len(row) < min(FULL * len(group[0]), len(group[0]) - NEAR):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def fill(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Moves (from, to) that bring the rows at `places` to the front, none of which is moved without need."""
    taken = set(places)
    free = [place for place in range(len(places)) if place not in taken]
    yield from zip([place for place in places if place >= len(places)], free, strict=True)
