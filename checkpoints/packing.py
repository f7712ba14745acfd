"""A packed value unpacks to what was packed, and never to more than the length that was stored with it."""

from __future__ import annotations

import zlib

from .errors import DamagedRecordError

_WORTHWHILE = 0.9  # of the length; below that gain, unpacking costs more than the bytes
_SHORTEST = 256  # bytes; shorter texts hardly shrink


def pack(value: bytes) -> bytes:
    """`value` packed by zlib, or itself when that saves less than a tenth."""
    if len(value) < _SHORTEST:
        return value
    packed = zlib.compress(value, level=1)  # level 6 costs five times the time for a tenth fewer bytes
    return packed if len(packed) < _WORTHWHILE * len(value) else value


def unpack(stored: bytes, size: int) -> bytes:
    """What was packed to `stored`; `size` is its length. Raises DamagedRecordError when the two disagree."""
    if len(stored) == size:
        return stored
    engine = zlib.decompressobj()
    try:
        value = engine.decompress(stored, max(size, 1))
    except zlib.error as error:
        raise DamagedRecordError(f"a journal record does not unpack ({error})") from error
    if len(value) != size or not engine.eof:
        raise DamagedRecordError(f"a journal record does not unpack to the {size} bytes that were recorded")
    return value
