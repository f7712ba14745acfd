"""What a reply says is what stands outside its reasoning; reasoning that never ends says nothing."""

from __future__ import annotations

import re
from typing import Final

TAG: Final = r"(?:think|thinking|thought|reasoning)>"
BLOCK: Final = re.compile(rf"<{TAG}.*?(?:</{TAG}|\Z)", re.IGNORECASE | re.DOTALL)
BEFORE_END: Final = re.compile(rf"\A.*</{TAG}", re.IGNORECASE | re.DOTALL)
"""A closing tag alone says that all before it was reasoning: many servers leave out the opening one."""


def spoken(text: str) -> str:
    """`text` without its reasoning, otherwise unchanged."""
    return BEFORE_END.sub("", BLOCK.sub("", text))
