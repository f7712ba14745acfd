"""A chat template and tokenizer for the scripted server, drift-prone on purpose.

What is rendered is cut into words, what is sampled into letters and an end token: so a reply that is rendered again has
other tokens than it was sampled as, as with a real BPE under a grammar or an adapter. The template speaks in special
tokens, can add a system prompt that nobody wrote, and remembers every token, so that ids can be read back as messages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

START, END = "<|start|>", "<|end|>"
_PIECE = re.compile(r"\s*\S+|\s+")

Message = dict[str, Any]


class Template:
    """`<|start|>ROLE CONTENT<|end|>` for each message."""

    max_model_len = 100_000

    def __init__(self, *, system: str | None = None, merges: bool = False, thinks: bool = False) -> None:
        """`system` is added in front of conversations that have none. `merges`: no special tokens, a reply's last word
        runs into what follows, so that nothing can be cut behind it. `thinks`: a reply that is the last message has a
        mark in front, as Qwen3 puts its empty thoughts."""
        self.system = system
        self.merges = merges
        self.thinks = thinks
        self._known: dict[int, str] = {}

    def ids(self, messages: Sequence[Message], *, reply: bool = True) -> list[int]:
        """The prompt that the messages are rendered to; `reply`: with the beginning of a reply."""
        return [self.id(piece) for piece in self.pieces(messages, reply=reply)]

    def pieces(self, messages: Sequence[Message], *, reply: bool = True) -> list[str]:
        """The same in words."""
        if self.system and (not messages or messages[0]["role"] != "system"):
            messages = [{"role": "system", "content": self.system}, *messages]
        if self.merges:
            joined = "".join(f"{message['role']}:{message['content']}| " for message in messages)
            return _PIECE.findall(joined + ("assistant:" if reply else ""))
        found: list[str] = []
        for place, message in enumerate(messages):
            last = place == len(messages) - 1
            mark = ["<|thought|>"] if self.thinks and last and message["role"] == "assistant" else []
            found += [START, message["role"], *mark, *_PIECE.findall(str(message["content"])), END]
        return found + ([START, "assistant"] if reply else [])

    def sampled(self, text: str) -> list[str]:
        """The tokens of a whole reply."""
        return [*text, END]

    def id(self, piece: str) -> int:
        """The number of a piece of text."""
        number = int(hashlib.sha256(piece.encode()).hexdigest()[:8], 16)
        self._known[number] = piece
        return number

    def messages(self, ids: Sequence[int]) -> list[Message]:
        """The messages that a prompt in tokens says."""
        found: list[Message] = []
        fresh = False
        for piece in (self._known[number] for number in ids):
            if piece == START:
                fresh = True
            elif fresh:
                found.append({"role": piece, "content": ""})
                fresh = False
            elif piece != END:
                found[-1]["content"] += piece
        return found[:-1]

    def text(self, pieces: Sequence[str]) -> str:
        """What the pieces say; special tokens say nothing."""
        return "".join(piece for piece in pieces if piece not in (START, END))
