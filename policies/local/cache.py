"""Keys and values of rows that end in the same column. A token more costs the room of one token: buffers grow by a
quarter at a time instead of being copied at every step, a row that leaves moves one other row at most, and columns cut
off on the left are only no longer looked at.

Import this module inside functions: it needs torch and transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

GROWTH: Final = 1.25
LEAST: Final = 64
"""Columns in a buffer at least."""


class RowLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer. What lies outside the rows' own columns is finite and masked."""

    def __init__(self) -> None:
        """Empty."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._buffers: list[torch.Tensor] = []
        self._rows = self._begin = self._end = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns. Called by the model."""
        more = key_states.shape[-2]
        self._reserve(self._rows, self._end + more)
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[: self._rows, :, self._end : self._end + more] = states
        self._end += more
        return self._look()

    def add(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Put rows below."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            self._buffers = [states.new_empty((0, states.shape[1], 0, states.shape[3])) for states in (keys, values)]
        width, first = keys.shape[2], self._rows
        if width > self._end:
            self._shift(width - self._end)
        self._rows += len(keys)
        self._begin = min(self._begin, self._end - width) if first else self._end - width
        self._reserve(self._rows, self._end)
        for buffer, states in zip(self._buffers, (keys, values), strict=True):
            buffer[first : self._rows, :, self._end - width : self._end] = states
        self._look()

    def keep(self, moves: Sequence[tuple[int, int]], rows: int, width: int) -> None:
        """Move rows (from, to), then let all but the first `rows` go, and all but the last `width` columns."""
        self._begin = self._end - width
        for buffer in self._buffers:
            for source, target in moves:
                buffer[target, :, self._begin : self._end] = buffer[source, :, self._begin : self._end]
        self._rows = rows
        self._look()

    def _look(self) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = (buffer[: self._rows, :, self._begin : self._end] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values

    def _reserve(self, rows: int, columns: int) -> None:
        """Make the buffers at least this large."""
        for place, buffer in enumerate(self._buffers):
            have_rows, have_columns = buffer.shape[0], buffer.shape[2]
            if rows <= have_rows and columns <= have_columns:
                continue
            to_rows = have_rows if rows <= have_rows else rows
            to_columns = have_columns if columns <= have_columns else max(LEAST, int(columns * GROWTH))
            larger = buffer.new_zeros((to_rows, buffer.shape[1], to_columns, buffer.shape[3]))
            larger[:have_rows, :, :have_columns] = buffer
            self._buffers[place] = larger

    def _shift(self, columns: int) -> None:
        """Move what is there to the right."""
        old, begin, end = self._buffers, self._begin, self._end
        self._buffers = [buffer.new_zeros((*buffer.shape[:2], 0, buffer.shape[3])) for buffer in old]
        self._begin, self._end = begin + columns, end + columns
        self._reserve(self._rows, self._end)
        for buffer, before in zip(self._buffers, old, strict=True):
            buffer[: self._rows, :, self._begin : self._end] = before[: self._rows, :, begin:end]


class RowCache(Cache):
    """All layers of a model."""

    def __init__(self, layers: int) -> None:
        """Empty."""
        self._own = [RowLayer() for _ in range(layers)]
        super().__init__(layers=list(self._own))

    def add(self, other: Any, rows: Sequence[int]) -> None:
        """Put the `rows` of another cache below, one may be named more than once. Layers that a model leaves empty
        (it shares their keys) stay empty."""
        for layer, new in zip(self._own, other.layers, strict=True):
            if new.is_initialized:
                layer.add(new.keys[rows], new.values[rows])

    def keep(self, moves: Sequence[tuple[int, int]], rows: int, width: int) -> None:
        """As of a layer."""
        for layer in self._own:
            if layer.is_initialized:
                layer.keep(moves, rows, width)
