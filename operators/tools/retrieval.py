"""What is found is quoted with the place it stands at, and a result belongs to one state of one corpus: another state
is another version of the operator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...errors import UsageError
from ..outcome import Outcome
from ..template import Builder, Job, OperatorTemplate
from .calling import arguments_of, calling
from .corpus import read_corpus
from .passages import Passage, passages_of
from .ranking import Ranking

MOST: Final = 10
"""Passages one call gives at most."""


def corpus_search(path: str | Path, *, name: str = "SEARCH_CORPUS", top: int = 5) -> OperatorTemplate:
    """The tool that searches the corpus at `path`, as it is now, and gives `top` passages unless it is asked for
    another number.

    `path` is a folder of .txt and .md files or a JSONL file of `{"text", "id"?, "title"?}`. The corpus is read and
    indexed here, once, and held in memory. Raises UsageError for a corpus that cannot be read.
    """
    if not 1 <= top <= MOST:
        raise UsageError(f"{name}: top is {top}", fix=f"Give a number from 1 to {MOST}")
    corpus = read_corpus(path)
    ranking = Ranking([passage for document in corpus.documents for passage in passages_of(document)])
    return OperatorTemplate(
        name=name,
        purpose="Search the local texts for passages.",
        accepts="a few words that the passage would use",
        output="result",
        build=_searching(ranking, top),
        max_calls=0,
        min_inputs=0,
        parameters=query_parameters("What to look for", top, MOST),
        revision=int(corpus.digest, 16),
    )


def query_parameters(meaning: str, top: int, most: int) -> dict[str, object]:
    """The arguments of a search: `query`, and how many results are wanted, `top` of them where that is left out."""
    return {
        "type": "object",
        "properties": {
            "query": {"type": "string", "pattern": r"\S", "maxLength": 500, "description": meaning},
            "top": {
                "type": "integer",
                "minimum": 1,
                "maximum": most,
                "description": f"How many results; {top} if left out",
            },
        },
        "required": ["query"],
        "additionalProperties": False,
    }


def quoted(found: Sequence[tuple[Passage, float]]) -> str:
    """The passages, each under its id and title."""
    return "\n\n".join(f"[{one.id}] {one.title} (score {score:.2f})\n{one.text}" for one, score in found)


def _searching(ranking: Ranking, top: int) -> Builder:
    async def search(job: Job) -> Outcome:
        given = arguments_of(job)
        found = await asyncio.to_thread(ranking.best, given["query"], int(given.get("top", top)))
        passages = [
            {"id": one.id, "document": one.document, "start": one.start, "end": one.end, "score": round(score, 4)}
            for one, score in found
        ]
        content = quoted(found) or "No passage has any of these words."
        return Outcome(kind="result", content=content, data={"passages": [*passages]})

    return calling(search)
