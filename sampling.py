"""How a reply is drawn: the one vocabulary in which operators ask for decoding and policies carry it out."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """Decoding of one model call."""

    temperature: float = 0.1
    """Softmax temperature, >= 0; 0 is greedy."""
    max_tokens: int | None = 2048
    """Completion tokens at most; None leaves it to the server."""
    top_p: float | None = None
    """Nucleus mass in (0, 1]; None leaves it to the server."""

    def as_json(self) -> dict[str, float | int | None]:
        """The three fields as plain data, for content keys and records."""
        return asdict(self)
