"""Passages are quoted with the place they stand at, in an order that depends on nothing but texts and query."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from math import log
from pathlib import Path
from typing import Any

import pytest
from flowwright.errors import UsageError
from flowwright.operators import OperatorTemplate, Outcome
from flowwright.operators.arguments import BadArguments, check_arguments
from flowwright.operators.tools.algebra import ALGEBRA
from flowwright.operators.tools.calculator import CALCULATOR
from flowwright.operators.tools.corpus import read_corpus
from flowwright.operators.tools.fetch import FETCH_PAGE
from flowwright.operators.tools.passages import Document, Passage, passages_of
from flowwright.operators.tools.python import PYTHON, PYTHON_SESSION
from flowwright.operators.tools.ranking import Ranking
from flowwright.operators.tools.retrieval import corpus_search
from flowwright.operators.tools.wikipedia import WIKIPEDIA
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

BREAD = "# Bread\n\nFlour, water and salt.\n\nThe oven is hot."
STARS = "Stars shine.\nThe sun is a star, and it is hot too."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bread.md").write_text(BREAD)
    (tmp_path / "stars.txt").write_text(STARS)
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    return tmp_path


def records(tmp_path: Path, *lines: Any) -> Path:
    file = tmp_path / "corpus.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return file


def search(tool: OperatorTemplate, query: str, **more: Any) -> Outcome:
    outcome = tool.bind("", {}, arguments={"query": query, **more}).invoke({})
    assert isinstance(outcome, Outcome)
    return outcome


def ids(outcome: Outcome) -> list[Any]:
    passages = outcome.data["passages"]
    assert isinstance(passages, list)
    return [one["id"] for one in passages if isinstance(one, dict)]


# -- what is found


def test_the_passage_with_the_words_is_found_and_quoted_with_its_place(folder: Path) -> None:
    outcome = search(corpus_search(folder), "What IS salt?")
    assert ids(outcome) == [f"b/bread.md#0-{len(BREAD)}", f"stars.txt#0-{len(STARS)}"]
    assert outcome.content.startswith(f"[b/bread.md#0-{len(BREAD)}] Bread (score ")
    assert BREAD in outcome.content


def test_offsets_cut_the_passage_out_of_its_source(folder: Path) -> None:
    (folder / "long.md").write_text("\n\n".join(f"Paragraph {n} about whales. " + "x" * 400 for n in range(9)))
    outcome = search(corpus_search(folder), "whales", top=10)
    passages: Any = outcome.data["passages"]
    assert len(passages) == 5
    source = (folder / "long.md").read_text()
    assert all(source[one["start"] : one["end"]] in outcome.content for one in passages)


def test_number_of_results_is_as_asked_for(tmp_path: Path) -> None:
    tool = corpus_search(records(tmp_path, *({"text": f"whale {n}"} for n in range(20))), top=3)
    assert ids(search(tool, "whale")) == ["1#0-7", "2#0-7", "3#0-7"]
    assert len(ids(search(tool, "whale", top=7))) == 7
    with pytest.raises(BadArguments, match="11 is greater than the maximum of 10"):
        search(tool, "whale", top=11)
    with pytest.raises(BadArguments, match="query"):
        search(tool, "  ")


def test_nothing_found_is_a_result(folder: Path) -> None:
    for query in ("zebra", "?!", "{x} </input>"):
        outcome = search(corpus_search(folder), query)
        assert outcome.content == "No passage has any of these words."
        assert ids(outcome) == []


def test_a_title_is_searched_too(tmp_path: Path) -> None:
    tool = corpus_search(records(tmp_path, {"id": "a", "title": "Whales", "text": "big"}, {"text": "small"}))
    outcome = search(tool, "whales")
    assert outcome.content.startswith("[a#0-3] Whales (score ")
    assert ids(outcome) == ["a#0-3"]


@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=8), min_size=1, max_size=12))
def test_the_order_is_that_of_bm25_and_ties_keep_the_order_of_the_corpus(texts: list[list[str]]) -> None:
    passages = [Passage(str(n), "", 0, " ".join(words)) for n, words in enumerate(texts)]
    mean = sum(map(len, texts)) / len(texts)

    def score(words: list[str]) -> float:
        total = 0.0
        for word in {"a", "c"}:
            holding = sum(word in other for other in texts)
            weight = log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            often = Counter(words)[word]
            total += weight * often / (often + 1.5 * (0.25 + 0.75 * len(words) / mean))
        return total

    found = Ranking(passages).best("c a, c?", len(texts))
    assert {one.document for one, _ in found} == {str(n) for n, words in enumerate(texts) if {"a", "c"} & set(words)}
    for (one, its), (other, others) in itertools.pairwise(found):
        assert its > others or (its == others and int(one.document) < int(other.document))
    for one, its in found:
        assert its == pytest.approx(score(texts[int(one.document)]), rel=1e-5)


# -- passages


@given(st.text(st.sampled_from("ab \n\t"), max_size=300), st.integers(1, 40))
def test_passages_hold_every_character_that_is_not_blank_once(text: str, longest: int) -> None:
    passages = list(passages_of(Document("d", "t", text), longest))
    assert all(text[one.start : one.end] == one.text for one in passages)
    assert all(0 < len(one.text) <= longest and one.text == one.text.strip() for one in passages)
    assert all(one.end <= other.start for one, other in itertools.pairwise(passages))
    assert "".join("".join(one.text.split()) for one in passages) == "".join(text.split())


def test_long_paragraphs_are_cut_at_a_blank_where_there_is_one() -> None:
    assert [one.text for one in passages_of(Document("d", "", "a bcd efghi"), 3)] == ["a", "bcd", "efg", "hi"]


def test_paragraphs_stay_whole_where_they_fit() -> None:
    text = "one one\n\ntwo two\n\nthree three"
    assert [one.text for one in passages_of(Document("d", "", text), 18)] == ["one one\n\ntwo two", "three three"]


# -- the corpus


def test_a_changed_corpus_is_another_version_and_an_unchanged_one_is_not(folder: Path) -> None:
    before = corpus_search(folder)
    assert corpus_search(folder).version == before.version
    (folder / "stars.txt").write_text(STARS + "!")
    assert corpus_search(folder).version != before.version
    assert "!" not in search(before, "stars").content


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "has no text"),
        (("{",), "line 1: no JSON"),
        (({"text": "a"}, "", "[1]"), "line 3: no object"),
        (({"text": 1},), 'line 1: "text" is no string'),
        (({"title": "a"},), 'line 1: "text" is no string'),
        (({"text": "a", "title": None},), 'line 1: "title" is no string'),
        (({"text": "a", "id": True},), 'line 1: "id" is no string'),
        (({"text": "a", "id": " "},), 'line 1: "id" is blank'),
        (({"text": "a", "id": "x"}, {"text": "b", "id": "x"}), "line 2: the id 'x' is taken by line 1"),
        (("[" * 100_000,), "line 1: no JSON"),
        (({"text": "a", "id": 7}, {"text": "b", "id": "7"}), "line 2: the id '7' is taken by line 1"),
    ],
)
def test_a_bad_record_is_refused_with_its_line(tmp_path: Path, lines: tuple[Any, ...], why: str) -> None:
    with pytest.raises(UsageError) as told:
        corpus_search(records(tmp_path, *lines))
    assert why in str(told.value)
    assert "\n" not in str(told.value)


def test_text_that_is_not_utf8_is_refused_with_its_file(folder: Path) -> None:
    (folder / "bad.txt").write_bytes(b"abc\xff")
    with pytest.raises(UsageError, match=r"bad\.txt is not UTF-8 at byte 3"):
        read_corpus(folder)


def test_a_place_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no corpus at"):
        corpus_search(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="has no text"):
        corpus_search(tmp_path)
    with pytest.raises(UsageError, match="top is 0"):
        corpus_search(tmp_path, top=0)


def test_line_separators_inside_a_string_do_not_end_a_record(tmp_path: Path) -> None:
    file = records(tmp_path, json.dumps({"text": "one\u2028two"}, ensure_ascii=False))
    assert read_corpus(file).documents == (Document("1", "1", "one\u2028two"),)


def test_every_tool_has_a_schema_and_takes_nothing_that_is_not_in_it(folder: Path) -> None:
    for tool in [PYTHON, CALCULATOR, ALGEBRA, corpus_search(folder), PYTHON_SESSION, FETCH_PAGE, WIKIPEDIA]:
        assert tool.parameters is not None
        Draft202012Validator.check_schema(dict(tool.parameters))
        with pytest.raises(BadArguments, match="'other' was unexpected"):
            check_arguments(tool.name, tool.parameters, {"other": 1})
        assert not tool.needs_model


def test_a_corpus_that_is_too_large_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowwright.operators.tools.corpus.MOST_BYTES", 10)
    with pytest.raises(UsageError, match="more than 0 MiB"):
        read_corpus(folder)


def test_the_libraries_are_loaded_when_they_are_used() -> None:
    code = "import sys, flowwright.operators.tools.named\nprint({'bm25s', 'aiohttp', 'sympy', 'selectolax', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
