"""A text that shares lines with another is told in pieces: `joined(in_pieces(t, other), other) == t` for all texts."""

from __future__ import annotations

Pieces = list[str | list[int]]


def in_pieces(text: str, other: str) -> Pieces:
    """`text` as runs of lines of `other`, `[first line, count]`, and new lines between them. Lines that come in the
    order of `other` are found as such; a prompt whose old entries slid out of view shares the rest."""
    ours, theirs = text.split("\n"), other.split("\n")
    places: dict[str, int] = {line: place for place, line in reversed([*enumerate(theirs)])}
    pieces: Pieces = []
    new: list[str] = []
    place = expected = 0
    while place < len(ours):
        start = expected if expected < len(theirs) and theirs[expected] == ours[place] else places.get(ours[place])
        if start is None:
            new.append(ours[place])
            place += 1
            continue
        count = 1
        while (
            place + count < len(ours) and start + count < len(theirs) and ours[place + count] == theirs[start + count]
        ):
            count += 1
        if new:
            pieces.append("\n".join(new))
            new = []
        pieces.append([start, count])
        place, expected = place + count, start + count
    return [*pieces, "\n".join(new)] if new else pieces


def joined(pieces: Pieces, other: str) -> str:
    """The text that was told in `pieces` of `other`."""
    lines = other.split("\n")
    return "\n".join(
        piece if isinstance(piece, str) else "\n".join(lines[piece[0] : piece[0] + piece[1]]) for piece in pieces
    )
