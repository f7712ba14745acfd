"""A system call made through the C library either worked or raised: no result is left unlooked at."""

from __future__ import annotations

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, call: str) -> int:
    """`result`, if it is not negative. Raises OSError with the call's name otherwise."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
