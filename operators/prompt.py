"""A prompt is a file of ours: what a model or a user wrote enters it only as the value of a variable, so braces, tags
and format specs in such text do nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from langchain_core.prompts import ChatPromptTemplate

from ..errors import UsageError

SEPARATOR: Final = "--- user ---"


@dataclass(frozen=True)
class Prompt:
    """A system part, a user part and the version of the file they came from."""

    name: str
    """Name of the file without `.md`."""
    system: str
    user: str
    version: str
    """SHA-256 of the file, first 12 hex digits."""

    @classmethod
    def load(cls, package: str, name: str) -> Prompt:
        """Read `prompts/NAME.md` of an importable package. Raises UsageError for a file that is absent or has no line
        `--- user ---`."""
        path = files(package) / "prompts" / f"{name}.md"
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise UsageError(f"no prompt {name!r} in {package}", fix=f"Add {path}") from error
        return cls.parse(name, content)

    @classmethod
    def parse(cls, name: str, content: bytes) -> Prompt:
        """The prompt in the bytes of a prompt file. Raises UsageError as `load` does."""
        lines = content.decode().splitlines()
        if SEPARATOR not in lines:
            raise UsageError(f"prompt {name!r} has no user part", fix=f"Put a line {SEPARATOR!r} between its two parts")
        cut = lines.index(SEPARATOR)
        system, user = "\n".join(lines[:cut]).strip(), "\n".join(lines[cut + 1 :]).strip()
        return cls(name, system, user, hashlib.sha256(content).hexdigest()[:12])

    def chat(self) -> ChatPromptTemplate:
        """The prompt as LangChain's f-string chat template."""
        return ChatPromptTemplate([("system", self.system), ("user", self.user)], template_format="f-string")
