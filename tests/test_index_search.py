"""Every word that is in a run is found, no input is read as a query, and the command says where."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flowwright.checkpoints.index.build import build_index
from flowwright.checkpoints.index.file import index_path
from flowwright.checkpoints.index.search import Hit, quoted, search_index
from flowwright.checkpoints.runner import thread_config
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.errors import UsageError
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import QUESTION, bad, flowwright, lines
from written_runs import Written, chain, fork, write

HOSTILE = [
    '"',
    '""',
    "'",
    "a OR b",
    "NOT a",
    "NEAR(a b)",
    "a*",
    "body:a",
    "^a",
    "-a",
    "a AND",
    "(a",
    "a\0b",
    '"a',
    "{a b}:c",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path_factory.mktemp("search") / "runs.db") as saver:
        (call,) = chain("r1", 1)
        reply = "A heron crosses the \u00dfwi\u00dfkern river; \x1b[31mred\x1b[0m nul\0nul " + "filler " * 50 + "zebra"
        write(saver, "a", Written("r1", [{**call, "reply": reply}], task="t1", question="Who crossed the river first?"))
        write(saver, "b", Written("r2", chain("r2", 3), question="Quantos zl\u00f3ty?"))
        build_index(saver, index_path(saver.database.path))
        yield saver


def found(saver: GroupCommitSaver, words: str, **how: Any) -> list[Hit]:
    return search_index(index_path(saver.database.path), words, **how)


def test_words_are_found_in_every_kind_of_text_with_their_place(store: GroupCommitSaver) -> None:
    (hit,) = found(store, "heron zebra")
    assert (hit.thread, hit.run, hit.task, hit.turn, hit.kind, hit.place) == ("a", "r1", "t1", 1, "reply", "designer 0")
    assert {"[heron]", "[zebra]"} & set(hit.snippet.split())
    assert {(one.thread, one.kind) for one in found(store, "river")} == {("a", "question"), ("a", "reply")}
    assert {one.kind for one in found(store, "42")} == {"answer"}
    assert found(store, "ZLOTY")[0].thread == "b"
    assert found(store, "crossing")[0].kind in ("question", "reply")
    assert len(found(store, "r2", limit=2)) == 2


def test_words_in_quotes_stand_side_by_side(store: GroupCommitSaver) -> None:
    assert found(store, '"the river first"')
    assert not found(store, '"first river the"')
    assert found(store, "first river the")


@pytest.mark.parametrize("words", HOSTILE)
def test_signs_of_the_query_language_mean_nothing(store: GroupCommitSaver, words: str) -> None:
    if any(sign.isalnum() for sign in words):
        assert all(isinstance(one, Hit) for one in found(store, words))
    else:
        with pytest.raises(UsageError, match="no word"):
            found(store, words)


@given(words=st.text(max_size=40) | st.lists(st.sampled_from(HOSTILE), max_size=5).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_no_input_is_an_error_of_sqlite(words: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(body)")
        connection.execute("INSERT INTO t VALUES (?)", (words.encode("utf-8", "replace").decode(),))
        try:
            query = quoted(words)
        except UsageError:
            assert not any(sign.isalnum() for sign in words)
            return
        connection.execute("SELECT * FROM t WHERE t MATCH ?", (query,)).fetchall()


def test_what_a_fork_shares_is_shown_once_while_its_source_is_there(tmp_path: Path) -> None:
    with GroupCommitSaver(tmp_path / "runs.db") as saver:
        graph = write(saver, "a", Written("r1", chain("r1", 2)))
        (snapshot,) = [
            one for one in graph.get_state_history(thread_config("a")) if len(one.values.get("turns", [])) == 1
        ]
        checkpoint = snapshot.config["configurable"]["checkpoint_id"]
        origin: Any = {"thread": "a", "checkpoint": checkpoint, "run": "r1", "turn": 2, "sample": 1}
        fork(saver, snapshot, "b", Written("r2", chain("r2", 1, start=2), origin=origin, before=1))
        path = index_path(saver.database.path)
        build_index(saver, path)
        assert [one.thread for one in search_index(path, '"reply 1 of r1"')] == ["a"]
        assert [one.thread for one in search_index(path, '"reply 2 of r2"')] == ["b"]
        saver.delete_thread("a")
        build_index(saver, path)
        assert [one.thread for one in search_index(path, '"reply 1 of r1"')] == ["b"]


def test_the_commands_index_and_search(tmp_path: Path) -> None:
    assert flowwright("run", QUESTION, "--thread", "a", cwd=tmp_path).returncode == 0
    (report,) = lines(flowwright("index", "--json", cwd=tmp_path))
    assert (report["threads"], report["read"], report["runs"], report["damaged"]) == (1, 1, 1, {})
    assert (tmp_path / "flowwright.index.db").exists()
    table = flowwright("index", cwd=tmp_path)
    assert "flowwright.index.db" in table.stderr
    assert "unchanged" in table.stdout
    (again,) = lines(flowwright("index", "--rebuild", "--json", cwd=tmp_path))
    assert again["written"] == report["written"]
    assert flowwright("run", QUESTION.replace("8", "7"), "--thread", "b", cwd=tmp_path).returncode == 0
    hits = lines(flowwright("search", "1, 1, 7", '"to make 24"', "--json", cwd=tmp_path))
    assert {hit["thread"] for hit in hits} == {"b"}
    assert "TEST_CODE" not in {hit["kind"] for hit in hits}
    table = flowwright("search", "numbers", "exactly", cwd=tmp_path)
    assert (table.returncode, table.stderr) == (0, "")
    assert "question" in table.stdout
    assert "\x02" not in table.stdout
    nothing = flowwright("search", "heron", cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "heron" in nothing.stderr
    (tmp_path / "flowwright.db").unlink()
    assert json.loads(flowwright("search", "numbers", "--as-is", "--limit", "1", "--json", cwd=tmp_path).stdout)


def test_control_signs_of_a_text_do_not_reach_the_terminal(store: GroupCommitSaver) -> None:
    done = flowwright("search", "heron", "--db", f"sqlite:///{store.database.path}", cwd=store.database.path.parent)
    assert done.returncode == 0
    assert "heron" in done.stdout
    assert not {"\x1b", "\0"} & set(done.stdout)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("index",), "flowwright.db"),
        (("index", "--db", "memory:"), "memory:"),
        (("index", "--db", "sqlite:///diary.db"), "diary.db"),
        (("index", "--db", "sqlite:///other.db"), "another application"),
        (("search",), "WORDS"),
        (("search", "x"), "flowwright.db"),
        (("search", "x", "--as-is"), "no run index"),
        (("search", "x", "--limit", "0"), "limit"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    (tmp_path / "diary.db").write_text("my diary")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    bad(*arguments, cwd=tmp_path, says=says)
    assert not list(tmp_path.glob("*.index.db"))


def test_a_damaged_thread_is_one_line_and_exit_code_1_and_a_damaged_file_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with GroupCommitSaver(path) as saver:
        for name in ("bad", "good"):
            write(saver, name, Written(name, chain(name, 30)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE checkpoints SET checkpoint = x'c1' WHERE thread_id = 'bad'")
    done = flowwright("index", "--db", "sqlite:///runs.db", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["runs"] == 1
    assert len([line for line in done.stderr.splitlines() if "bad" in line]) == 1
    assert "Traceback" not in done.stderr
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    bad("index", "--db", "sqlite:///runs.db", cwd=tmp_path, says="runs.db")
    path.write_bytes(whole[:8192] + b"\x5a" * (len(whole) - 8192))
    bad("index", "--db", "sqlite:///runs.db", "--rebuild", cwd=tmp_path, says="runs")
