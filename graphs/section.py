"""A text shown in a section of a prompt neither closes that section nor opens another one."""

from __future__ import annotations

import re
from typing import Final

TAG: Final = re.compile(r"<(?=/?(?:problem|analysis|memory|budget|feedback|history|canvas)\s*>)", re.IGNORECASE)


def inert(text: str) -> str:
    """`text` with a backslash after the `<` of each section's tag."""
    return TAG.sub(r"<\\", text)


def inert_json(line: str) -> str:
    """A line of JSON that says the same without any such tag."""
    return TAG.sub(r"\\u003c", line)
