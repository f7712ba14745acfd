"""Words are looked for as they stand: nothing that a person types is read as a query language, so no input is wrong
but one without a word in it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import UsageError
from .file import IndexFile

_PART: Final = re.compile(r'"([^"]*)"|([^\s"]+)')
_WORDS: Final = 24
"""Length of a snippet."""
# A text that a fork shares with the run it was forked from is shown once, where it was written, if that is there.
_FOUND: Final = f"""
SELECT r.thread, r.head, r.run, r.task, r.system, r.status, t.turn, t.kind, t.place,
       snippet(texts_fts, 0, :opening, :closing, ' … ', {_WORDS}) AS snippet
FROM texts_fts JOIN texts t ON t.id = texts_fts.rowid JOIN runs r USING (thread, head)
WHERE texts_fts MATCH :query AND NOT (
    t.inherited AND EXISTS (SELECT 1 FROM runs o WHERE o.thread = r.origin_thread AND o.run = r.origin_run)
)
ORDER BY rank, r.thread, r.head, t.turn, t.kind, t.place LIMIT :limit
"""


@dataclass(frozen=True)
class Hit:
    """One text that has all the words."""

    thread: str
    head: str
    """Last checkpoint of the run, the key of the index with `thread`."""
    run: str
    task: str | None
    """None: the run's task has no id."""
    system: str
    status: str
    turn: int | None
    """None: the text is of the whole run."""
    kind: str
    """`question`, `answer`, `decision`, `instruction`, `reply` or `fault`."""
    place: str
    """Whose it is: an operation's id, a decision, or the role and place of a model call; empty: the run's."""
    snippet: str

    def as_json(self) -> dict[str, Any]:
        """The hit, JSON-native."""
        return asdict(self)


def search_index(
    path: str | Path, words: str, *, limit: int = 20, marks: tuple[str, str] = ("[", "]"), busy_timeout: float = 30.0
) -> list[Hit]:
    """The texts that have all `words`, best first, at most `limit`. `"words in quotes"` stand side by side; other
    signs mean nothing. `marks` stand around what was found in a snippet. Raises UsageError where there is no word, no
    index, or another file in its place."""
    names = {"query": quoted(words), "limit": limit, "opening": marks[0], "closing": marks[1]}
    with IndexFile(Path(path), write=False, busy_timeout=busy_timeout) as file, file.explained():
        return [Hit(**row) for row in file.database.query(_FOUND, names)]


def quoted(words: str) -> str:
    """`words` as a query of FTS5 in which every sign is quoted. Raises UsageError where no letter or digit is left."""
    clean = words.encode("utf-8", "replace").decode().replace("\0", " ")
    parts = [phrase or word for phrase, word in _PART.findall(clean)]
    asked = [f'"{one}"' for one in parts if any(sign.isalnum() for sign in one)]
    if not asked:
        raise UsageError(f"{words!r} has no word to search for", fix="Give at least one word or number")
    return " ".join(asked)
