"""Every error Flowwright raises on purpose names the thing at fault and, where there is one, the fix."""

from __future__ import annotations


class FlowwrightError(Exception):
    """Base of all errors raised on purpose. `str(error)` is one line: what is wrong, then what to do about it."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        """`message` names the thing at fault; `fix` (None: nothing the caller can do) says what would be accepted."""
        super().__init__(f"{message}. {fix}" if fix else message)
        self.message = message
        self.fix = fix


class UsageError(FlowwrightError, ValueError):
    """The caller gave something that cannot be used. The command prints it on one line and exits with code 2."""
