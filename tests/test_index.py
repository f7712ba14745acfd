"""An index says what the store says, whatever happened to the store and however it was built."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.annotation import annotate, reward
from flowwright.checkpoints.forks.fork import fork_runs
from flowwright.checkpoints.index.build import build_index, note
from flowwright.checkpoints.index.file import index_path
from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.runner import faults_of, thread_config
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.errors import UsageError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_writer import QUESTION, SYSTEMS, dump, sound
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from written_runs import Written, chain, fork, graph_of, write


def ask(path: Path, sql: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, values).fetchall()


@pytest.fixture(scope="module")
def real_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run of each system, made offline."""
    path = tmp_path_factory.mktemp("real") / "runs.db"
    with open_checkpointer(f"sqlite:///{path}") as saver:
        for system in SYSTEMS:
            for number, numbers in enumerate([(1, 1, 1, 8), (1, 1, 1, 1)]):
                task = {"question": QUESTION.format(*numbers), "id": str(number)}
                offline_graph(system, saver).invoke(
                    {"task": task}, thread_config(f"{system}-{number}"), context=Context(seed=1)
                )
    return path


def offline_graph(system: str, saver: Any) -> Any:
    return build_graph(system, policies=Policies(designer="offline", executor="offline"), checkpointer=saver)


@pytest.fixture
def store(real_runs: Path, tmp_path: Path) -> Iterator[GroupCommitSaver]:
    shutil.copy(real_runs, tmp_path / "runs.db")
    with GroupCommitSaver(tmp_path / "runs.db") as saver:
        yield saver


def indexed(saver: GroupCommitSaver) -> Path:
    path = index_path(saver.database.path)
    build_index(saver, path)
    return path


def test_tables_say_what_the_runs_say(store: GroupCommitSaver) -> None:
    path = indexed(store)
    sound(path)
    for tree in load_trajectories(store):
        for run in tree.trajectories:
            key = (run.thread_id, run.checkpoint_id)
            (row,) = ask(
                path,
                "SELECT run, task, question, system, status, answer, calls, faults FROM runs WHERE (thread, head) = (?, ?)",
                *key,
            )
            state: Any = {"turns": run.turns, "operations": run.operations}
            told = (
                run.run,
                run.task,
                run.question,
                run.system,
                run.status,
                run.answer,
                run.usage["calls"],
                len(faults_of(state)),
            )
            assert row == told
            rows = ask(
                path,
                "SELECT call, role, input_tokens, finish_reason, checkpoint FROM calls WHERE (thread, head) = (?, ?)",
                *key,
            )
            assert sorted(rows) == sorted(
                (c["id"], c["role"], c["input_tokens"], c["finish_reason"], c["checkpoint"]) for c in run.calls
            )
            rows = ask(path, "SELECT turn, attempt, outcome, faults FROM turns WHERE (thread, head) = (?, ?)", *key)
            assert sorted(rows) == sorted((t["turn"], t["attempt"], t["outcome"], len(t["faults"])) for t in run.turns)
            rows = ask(path, "SELECT operation, operator, status FROM operations WHERE (thread, head) = (?, ?)", *key)
            assert sorted(rows) == sorted((o["id"], o["operator"], o["status"]) for o in run.operations)
    totals = "SELECT SUM(c.input_tokens), SUM(c.output_tokens) FROM calls c GROUP BY thread ORDER BY thread"
    assert ask(path, totals) == ask(path, "SELECT input_tokens, output_tokens FROM runs ORDER BY thread")
    assert ask(path, "SELECT COUNT(*) FROM calls c JOIN turns t USING (thread, head, call)") == ask(
        path, "SELECT COUNT(*) FROM turns"
    )


def test_only_what_changed_is_read_again_and_nothing_twice(store: GroupCommitSaver) -> None:
    path = index_path(store.database.path)
    first = build_index(store, path)
    assert (first.threads, first.read, first.unchanged, first.runs) == (6, 6, 0, 6)
    before = dump(path)
    again = build_index(store, path)
    assert (again.read, again.unchanged, again.written.total()) == (0, 6, 0)
    assert dump(path) == before
    ((head,),) = ask(path, "SELECT head FROM runs WHERE thread = 'dyflow-0'")
    annotate(store, "dyflow-0", head, reward("exact", "1", 0.0))
    annotate(store, "dyflow-0", head, reward("exact", "2", 1.0, parts={"form": 0.5}, by="me"))
    store.delete_thread("dyflow-1")
    changed = build_index(store, path)
    assert (changed.threads, changed.read, changed.unchanged, changed.removed, changed.runs) == (5, 1, 4, 1, 5)
    rewards = "SELECT thread, head, name, version, value, parts, by, latest FROM rewards ORDER BY at"
    assert ask(path, rewards) == [
        ("dyflow-0", head, "exact", "1", 0.0, "{}", "", 0),
        ("dyflow-0", head, "exact", "2", 1.0, '{"form": 0.5}', "me", 1),
    ]
    assert not any("dyflow-1" in row for rows in dump(path).values() for row in rows)
    sound(path)


def test_forks_name_their_origin_and_mark_what_they_inherit(store: GroupCommitSaver) -> None:
    graph = offline_graph("agentflow", store)
    forks = fork_runs(graph, "agentflow-0", at=2, samples=2)
    for one_fork in forks:
        graph.invoke(None, one_fork.config)
    path = indexed(store)
    where = "SELECT origin_run, origin_turn, origin_sample, group_name FROM runs WHERE thread = ?"
    ((run,),) = ask(path, "SELECT run FROM runs WHERE thread = 'agentflow-0'")
    groups = set()
    for number, made_fork in enumerate(forks, 1):
        ((origin, turn, sample, group),) = ask(path, where, made_fork.thread_id)
        assert (origin, turn, sample) == (run, 2, number)
        groups.add(group)
        for table in ("turns", "operations"):
            rows = ask(path, f"SELECT turn, inherited FROM {table} WHERE thread = ?", made_fork.thread_id)
            assert rows
            assert {inherited for _, inherited in rows} == {0, 1}
            assert all(inherited == (turn < 2) for turn, inherited in rows), table
        made = ask(path, "SELECT call FROM calls WHERE thread = ?", made_fork.thread_id)
        assert made
        assert all(call.startswith(f"{made_fork.run}/") for (call,) in made)
    assert len(groups) == 1
    before = dump(path)
    store.delete_thread("agentflow-0")
    build_index(store, path)
    after = dump(path)
    for table in ("turns", "operations", "calls", "texts"):
        assert after[table] == [row for row in before[table] if row[0] != "agentflow-0"], table


@pytest.mark.parametrize("kind", ["memory", "langgraph"])
def test_any_saver_gives_the_same_index(kind: str, tmp_path: Path) -> None:
    runs = {"a": Written("r1", chain("r1", 3), task="t"), "b": Written("r2", chain("r2", 2), fail_at=1)}
    with closing(sqlite3.connect(tmp_path / "other.db", check_same_thread=False)) as connection:
        other: BaseCheckpointSaver[Any] = StrictMemorySaver() if kind == "memory" else SqliteSaver(connection)
        for thread, run in runs.items():
            write(other, thread, run)
        report = build_index(other, tmp_path / "other.index.db")
        assert (report.runs, report.damaged) == (2, {})
        rows = ask(tmp_path / "other.index.db", "SELECT thread, status, question FROM runs ORDER BY thread")
        assert rows == [("a", "finished", "what?"), ("b", "running", "what?")]
        assert ask(tmp_path / "other.index.db", "SELECT COUNT(*) FROM calls") == [(4,)]
        assert build_index(other, tmp_path / "other.index.db").read == 0
        last = {one.thread_id: one.checkpoint_id for tree in load_trajectories(other) for one in tree.trajectories}
        annotate(other, "a", last["a"], reward("exact", "1", 1.0))
        assert build_index(other, tmp_path / "other.index.db").read == 1
        assert ask(tmp_path / "other.index.db", "SELECT thread, value FROM rewards") == [("a", 1.0)]
        other.delete_thread("a")
        report = build_index(other, tmp_path / "other.index.db")
        assert (report.removed, report.runs) == (1, 1)
        sound(tmp_path / "other.index.db")


def test_a_run_is_indexed_while_it_goes_on(tmp_path: Path) -> None:
    with GroupCommitSaver(tmp_path / "runs.db") as saver:
        seen = []

        class Watching(Written):
            def said(self, state: Any) -> Any:
                path = indexed(saver)
                seen.append(
                    ask(path, "SELECT r.status, (SELECT COUNT(*) FROM turns t WHERE t.head = r.head) FROM runs r")
                )
                return super().said(state)

        write(saver, "a", Watching("r1", chain("r1", 3)))
        assert seen == [[("running", 0)], [("running", 1)], [("running", 2)], [("running", 3)]]
        assert ask(indexed(saver), "SELECT status, answer FROM runs") == [("finished", "42")]


def test_what_was_said_of_a_run_elsewhere_stays_until_the_run_goes(store: GroupCommitSaver) -> None:
    path = indexed(store)
    ((head,),) = ask(path, "SELECT head FROM runs WHERE thread = 'dyflow-0'")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        values = ("dyflow-0", head, "held-out", "exact", "1", 1.0, "now")
        connection.execute(
            "INSERT INTO evaluations (thread, head, evaluation, scorer, version, score, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )
    note(path, "export", "rows.jsonl", {"rows": 3})
    annotate(store, "dyflow-0", head, reward("exact", "1", 1.0))
    build_index(store, path)
    assert ask(path, "SELECT score FROM evaluations") == [(1.0,)]
    store.delete_thread("dyflow-0")
    build_index(store, path)
    assert ask(path, "SELECT score FROM evaluations") == []
    build_index(store, path, rebuild=True)
    assert ask(path, "SELECT kind, name, counts FROM ledger WHERE kind = 'export'") == [
        ("export", "rows.jsonl", '{"rows": 3}')
    ]


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["write", "stop", "fork", "copy", "annotate", "delete", "prune", "again", "index"]),
        st.integers(0, 9),
    ),
    max_size=12,
)


@given(moves=MOVES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_index_kept_up_to_date_equals_one_built_anew(moves: list[tuple[str, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, GroupCommitSaver(Path(folder) / "runs.db") as saver:
        path = indexed(saver)
        for step, (move, number) in enumerate(moves):
            one(saver, path, move, number, step)
        report = build_index(saver, path)
        assert report.damaged == {}
        kept = dump(path)
        sound(path)
        build_index(saver, path, rebuild=True)
        assert dump(path) == kept
        sound(path)
        path.unlink()
        build_index(saver, path)
        assert dump(path) == kept


def one(saver: GroupCommitSaver, path: Path, move: str, number: int, step: int) -> None:
    """A random thing that happens to a store."""
    runs = [run for tree in load_trajectories(saver) for run in tree.trajectories]
    threads = sorted({run.thread_id for run in runs})
    if move == "index":
        build_index(saver, path)
    elif move in ("write", "stop") or not runs:
        calls = chain(f"run{step}", 1 + number % 3)
        write(saver, f"t{step}", Written(f"run{step}", calls, task=str(number), fail_at=1 if move == "stop" else None))
    else:
        run, thread = runs[number % len(runs)], threads[number % len(threads)]
        if move == "annotate":
            annotate(saver, run.thread_id, run.checkpoint_id, reward("exact", "1", float(step)))
        elif move == "delete":
            saver.delete_thread(thread)
        elif move == "prune":
            saver.prune([thread])
        elif move == "copy":
            saver.copy_thread(thread, f"copy{step}")
        elif move == "fork":
            source = Written(run.run, run.calls)
            states = [
                one
                for one in graph_of(source, saver).get_state_history(thread_config(thread))
                if one.next == ("designer",)
            ]
            if states:
                snapshot = states[number % len(states)]
                turns, checkpoint = len(snapshot.values["turns"]), snapshot.config["configurable"]["checkpoint_id"]
                held = snapshot.values["run"]["id"]
                origin: Any = {"thread": thread, "checkpoint": checkpoint, "run": held, "turn": turns + 1, "sample": 1}
                calls = chain(f"run{step}", 2, start=turns + 1)
                fork(saver, snapshot, f"t{step}", Written(f"run{step}", calls, origin=origin, before=turns))
        elif move == "again":
            calls = chain(f"again{step}", 1)
            write(saver, thread, Written(f"again{step}", calls, number=2, question="what else?"))


def test_a_thread_that_cannot_be_read_is_named_and_the_others_are_there(store: GroupCommitSaver) -> None:
    path = indexed(store)
    with closing(sqlite3.connect(store.database.path, isolation_level=None)) as connection:
        connection.execute("UPDATE checkpoints SET checkpoint = x'c1' WHERE thread_id = 'dyflow-0'")
        connection.execute(
            "DELETE FROM checkpoints WHERE thread_id = 'dyflow-0' AND checkpoint_id = (SELECT MIN(checkpoint_id) FROM checkpoints WHERE thread_id = 'dyflow-0')"
        )
    report = build_index(store, path)
    assert [*report.damaged] == ["dyflow-0"]
    assert report.runs == 5
    assert ask(path, "SELECT COUNT(*) FROM runs WHERE thread = 'dyflow-0'") == [(0,)]
    assert build_index(store, path).damaged == report.damaged
    sound(path)


def test_a_record_that_fits_no_table_is_named(tmp_path: Path) -> None:
    with GroupCommitSaver(tmp_path / "runs.db") as saver:
        calls = chain("r1", 2)
        write(saver, "bad", Written("r1", [{**calls[0], "input_tokens": "many"}], task="t"))  # type: ignore[typeddict-item]
        write(saver, "huge", Written("r2", [{**chain("r2", 1)[0], "output_tokens": 2**63}]))  # type: ignore[typeddict-item]
        write(saver, "good", Written("r3", chain("r3", 1)))
        report = build_index(saver, tmp_path / "x.db")
        assert sorted(report.damaged) == ["bad", "huge"]
        assert ask(tmp_path / "x.db", "SELECT thread FROM runs") == [("good",)]
        sound(tmp_path / "x.db")


def other_application(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE runs (thread TEXT)")


def newer_format(path: Path) -> None:
    with GroupCommitSaver(path.with_name("made.db")) as saver:
        build_index(saver, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")


def store_of_runs(path: Path) -> None:
    GroupCommitSaver(path).close()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (other_application, "no run index"),
        (newer_format, "format 99"),
        (store_of_runs, "no run index"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\x07" * 5000), "damaged"),
        (lambda path: path.write_text("my diary"), "not a run index"),
        (lambda path: path.mkdir(), "not a regular file"),
    ],
)
@pytest.mark.parametrize("rebuild", [False, True])
def test_a_file_that_is_no_index_of_ours_is_refused_and_left_as_it_is(
    make: Any, says: str, rebuild: bool, tmp_path: Path
) -> None:
    path = tmp_path / "runs.index.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with GroupCommitSaver(tmp_path / "runs.db") as saver, pytest.raises(UsageError, match=says) as caught:
        build_index(saver, path, rebuild=rebuild)
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_an_index_of_an_older_format_is_built_anew(store: GroupCommitSaver) -> None:
    path = indexed(store)
    before = dump(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 0")
        connection.execute("DROP TABLE calls")
        connection.execute("DELETE FROM turns")
    assert build_index(store, path).read == 6
    assert dump(path) == before


def test_an_empty_store_has_an_empty_index(tmp_path: Path) -> None:
    with GroupCommitSaver(tmp_path / "runs.db") as saver:
        assert build_index(saver, tmp_path / "x.db").runs == 0
    with pytest.raises(UsageError, match="no directory"), GroupCommitSaver(tmp_path / "runs.db") as saver:
        build_index(saver, tmp_path / "no" / "x.db")


def test_a_thread_of_another_graph_is_a_run_without_turns(tmp_path: Path) -> None:
    graph = StateGraph(dict)
    graph.add_node("think", lambda state: {"said": "hello"})
    graph.add_edge(START, "think")
    with GroupCommitSaver(tmp_path / "runs.db") as saver:
        graph.compile(checkpointer=saver).invoke({"asked": "?"}, thread_config("theirs"))
        write(saver, "ours", Written("r1", chain("r1", 1)))
        path = indexed(saver)
        rows = ask(path, "SELECT thread, system, status, question FROM runs ORDER BY thread")
        assert rows == [("ours", "flowsteer", "finished", "what?"), ("theirs", "foreign", "finished", None)]
        assert ask(path, "SELECT DISTINCT thread FROM turns") == [("ours",)]
        sound(path)
