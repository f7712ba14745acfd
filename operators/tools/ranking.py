"""The order of passages depends on the passages and the query alone: equal scores keep the passages' own order, and a
passage that shares no word with the query is not found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from ...errors import UsageError
from .passages import Passage

WORD: Final = re.compile(r"\w+")


class Ranking:
    """Passages ranked by BM25 (Robertson and Zaragoza 2009, in the variant of Lucene; bm25s, arXiv 2407.03618)."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Indexes title and text of each passage. Raises UsageError where bm25s is not installed."""
        if find_spec("bm25s") is None:
            raise UsageError("search in local texts needs bm25s", fix="Run: pip install 'flowwright[tools]'")
        import bm25s  # type: ignore[import-untyped]

        self._passages = tuple(passages)
        self._index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
        words = [_words(f"{one.title}\n{one.text}") for one in self._passages]
        self._known = {word for one in words for word in one}
        if self._known:
            self._index.index(words, show_progress=False)

    def best(self, query: str, top: int) -> list[tuple[Passage, float]]:
        """At most `top` passages with their scores, the best first."""
        words = [word for word in dict.fromkeys(_words(query)) if word in self._known]
        if not words:
            return []
        scores = self._index.get_scores(words)
        order = (-scores).argsort(kind="stable")[:top]
        return [(self._passages[at], float(scores[at])) for at in order if scores[at] > 0]


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())
