"""The command as a stranger types it: real processes, real files."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted_server import Answer, Request, ScriptedServer

QUESTION = "Use each of the numbers 1, 1, 1, 8 exactly once, with +, -, *, / and parentheses, to make 24."


def flowwright(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FLOWWRIGHT_MODEL": "", "COLUMNS": "200", **variables}
    command = [sys.executable, "-W", "error", "-m", "flowwright.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_run_show_runs_and_resume_of_one_question(tmp_path: Path) -> None:
    (result,) = lines(flowwright("run", QUESTION, "--thread", "a", "--json", cwd=tmp_path))
    assert (result["thread_id"], result["status"], result["correct"]) == ("a", "finished", True)
    assert {"task_id", "answer", "usage", "faults", "evidence"} <= set(result)
    shown = flowwright("show", "a", cwd=tmp_path)
    assert shown.returncode == 0
    assert "turn 1" in shown.stdout
    assert "TEST_CODE" in shown.stdout
    assert str(result["answer"]) in shown.stdout
    assert flowwright("show", "a", "--mermaid", cwd=tmp_path).stdout.startswith("flowchart TD")
    (state,) = lines(flowwright("show", "a", "--json", cwd=tmp_path))
    assert state["status"] == "finished"
    (row,) = lines(flowwright("runs", "--json", cwd=tmp_path))
    assert (row["thread"], row["status"]) == ("a", "finished")
    again = flowwright("resume", "a", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert "has ended (finished)" in again.stderr


def test_offline_is_said_plainly_with_the_way_to_name_a_model(tmp_path: Path) -> None:
    done = flowwright("run", "Who wrote Faust?", cwd=tmp_path)
    assert "running offline" in done.stderr
    assert "--model" in done.stderr
    assert "failed" in done.stdout


def test_task_files_run_as_a_batch_that_can_be_taken_up(tmp_path: Path) -> None:
    rows = [{"pid": str(number), "query": QUESTION, "answer": ["1"]} for number in range(4)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    first = lines(flowwright("run", "--tasks", "rows.json", "--limit", "2", "--thread", "b", "--json", cwd=tmp_path))
    second = lines(flowwright("run", "--tasks", "rows.json", "--thread", "b", "--json", cwd=tmp_path))
    assert {one["task_id"] for one in first} == {"0", "1"}
    assert {one["task_id"] for one in second} == {"0", "1", "2", "3"}
    again = {str(one["task_id"]): one for one in second}
    assert all(again[str(one["task_id"])] == one for one in first)
    table = flowwright("run", "--tasks", "rows.json", "--thread", "b", cwd=tmp_path)
    assert "finished" in table.stdout


def bad(*arguments: str, cwd: Path, says: str, **variables: str) -> None:
    done = flowwright(*arguments, cwd=cwd, **variables)
    assert done.returncode == 2, (done.stdout, done.stderr)
    told = [line for line in done.stderr.splitlines() if line.startswith("flowwright: ")]
    assert len(told) == 1, done.stderr
    assert says in told[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run",), "QUESTION"),
        (("run", "q", "--tasks", "x.json"), "QUESTION"),
        (("run", "q", "--system", "dyflo"), "unknown system 'dyflo'"),
        (("run", "q", "--preset", "x"), "no preset 'x'"),
        (("run", "q", "--operators", "GENERATE_ANSWER,TEST_KODE"), "TEST_CODE"),
        (("run", "q", "--model", "vlm:Qwen"), "vlm"),
        (("run", "q", "--model", "local:/x"), "local"),
        (("run", "--tasks", "absent.json"), "absent.json"),
        (("run", "q", "--budget-calls", "-1"), "budget-calls"),
        (("run", "q", "--db", "mysql://x"), "mysql"),
        (("run", "q", "--db", "sqlite:///no/such/folder/x.db"), "no/such/folder"),
        (("show", "nothing"), "flowwright.db"),
        (("resume", "nothing"), "flowwright.db"),
        (("runs",), "flowwright.db"),
        (("rums",), "rums"),
        (("sandbox", "check", "--provider", "x"), "x"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    bad(*arguments, cwd=tmp_path, says=says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"question": "q"}\n{"question": \n', "line 2"),
        ('{"question": "q"}\n{"answer": 1}\n', "line 2"),
        ('[{"question": "q"}, 3]', "row 2"),
        ("", "no tasks"),
        ("\x80\x81", "rows"),
    ],
)
def test_a_task_file_that_cannot_be_read_is_named_with_its_line(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content.encode("latin-1"))
    bad("run", "--tasks", "rows.jsonl", cwd=tmp_path, says=says)
    assert not (tmp_path / "flowwright.db").exists()


def test_a_thread_that_does_not_exist_or_exists_already_is_named(tmp_path: Path) -> None:
    assert flowwright("run", "q", "--thread", "a", cwd=tmp_path).returncode == 0
    bad("show", "b", cwd=tmp_path, says="no thread 'b'")
    bad("resume", "b", cwd=tmp_path, says="no thread 'b'")
    bad("run", "q", "--thread", "a", cwd=tmp_path, says="thread 'a' exists already")


def test_foreign_and_locked_files_are_refused_untouched(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    before = foreign.read_bytes()
    bad("run", "q", "--db", "sqlite:///foreign.db", cwd=tmp_path, says="foreign.db")
    assert foreign.read_bytes() == before
    (tmp_path / "text.db").write_text("not a database, but long enough to look at: " * 20)
    bad("runs", "--db", "sqlite:///text.db", cwd=tmp_path, says="text.db")
    assert flowwright("run", "q", cwd=tmp_path).returncode == 0
    holder = sqlite3.connect(tmp_path / "flowwright.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    bad("run", "q", "--thread", "z", cwd=tmp_path, says="locked", FLOWWRIGHT_DB_TIMEOUT="0.2")
    holder.close()


def test_ctrl_c_leaves_a_run_that_resumes_and_says_how(tmp_path: Path) -> None:
    answered = 0

    def script(request: Request) -> Answer:
        nonlocal answered
        answered += 1
        if "You design how" not in str(request.body["messages"][0]["content"]):
            return Answer("Answer: 42", seconds=0.0 if answered > 2 else 30.0)
        done = "draft@1" in request.prompt
        stage = {
            "stage_description": "x",
            "operators": [
                {
                    "params": {
                        "instruction_type": "GENERATE_ANSWER",
                        "input_keys": ["problem"],
                        "output_key": "draft",
                        "input_usage": "do it",
                    }
                }
            ],
        }
        return Answer(json.dumps({"finish": "draft", "reason": "r"} if done else stage))

    with ScriptedServer(script) as server:
        command = [
            sys.executable,
            "-m",
            "flowwright.cli",
            "run",
            "q",
            "--thread",
            "a",
            "--model",
            f"vllm:m@{server.url}",
        ]
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while answered < 2:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=20)
        assert running.returncode == 130
        assert "flowwright resume a" in told
        assert "Traceback" not in told
        (row,) = lines(flowwright("runs", "--json", cwd=tmp_path))
        assert row["status"] == "running"
        (result,) = lines(flowwright("resume", "a", "--json", cwd=tmp_path))
    assert (result["status"], result["answer"]) == ("finished", "42")
    designs = [one for one in server.requests if "You design how" in str(one.body["messages"][0]["content"])]
    assert len(designs) == 2


def test_a_run_whose_model_was_away_resumes_when_it_is_back(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: Answer(status=401, message="who are you")) as server:
        (result,) = lines(
            flowwright("run", "q", "--thread", "a", "--json", "--model", f"vllm:m@{server.url}", cwd=tmp_path)
        )
    assert (result["status"], result["answer"]) == ("failed", None)
    assert [fault["kind"] for fault in result["faults"]] == ["provider"]  # type: ignore[index, attr-defined]
    (again,) = lines(flowwright("resume", "a", "--json", "--model", "offline", cwd=tmp_path))
    assert again["status"] == "failed"
    assert [fault["kind"] for fault in again["faults"]] == []  # type: ignore[index, attr-defined]


def test_the_sandbox_check_tells_every_attempt(tmp_path: Path) -> None:
    attempts = lines(flowwright("sandbox", "check", "--json", cwd=tmp_path))
    assert len(attempts) >= 25
    assert all(one["passed"] for one in attempts)


def test_operators_can_be_restricted(tmp_path: Path) -> None:
    (result,) = lines(
        flowwright("run", QUESTION, "--operators", "GENERATE_ANSWER", "--thread", "a", "--json", cwd=tmp_path)
    )
    assert result["status"] != "finished"
    (state,) = lines(flowwright("show", "a", "--json", cwd=tmp_path))
    assert {one["operator"] for one in state["operations"]} <= {"GENERATE_ANSWER"}  # type: ignore[attr-defined]


def test_the_demo_solves_every_family_and_claims_nothing_wrong(tmp_path: Path) -> None:
    results = lines(flowwright("demo", "--tasks", "2", "--json", cwd=tmp_path))
    families = {str(one["task_id"]).partition("-")[0] for one in results}
    systems = {str(one["thread_id"]).split("-")[2] for one in results}
    assert systems == {"dyflow", "agentflow", "flowsteer"}
    assert len(families) >= 6
    assert len(results) == 2 * len(families) * len(systems)
    right = [one for one in results if one["correct"]]
    assert len(right) >= 0.6 * len(results)
    assert not [one for one in results if one["status"] == "finished" and not one["correct"]]
    table = flowwright("demo", "--tasks", "1", cwd=tmp_path)
    assert table.returncode == 0
    assert all(f"\n {system} " in table.stdout for system in systems)


def test_an_interrupted_demo_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flowwright.cli", "demo", "--tasks", "40", "--thread", "d"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "flowwright.db").exists():
        time.sleep(0.02)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "flowwright demo --thread d" in told
    started = {str(one["thread"]) for one in lines(flowwright("runs", "--limit", "500", "--json", cwd=tmp_path))}
    results = lines(flowwright("demo", "--tasks", "2", "--thread", "d", "--json", cwd=tmp_path))
    assert started & {str(one["thread_id"]) for one in results}
    assert all(one["correct"] for one in results)


GAME = "Use each of the numbers 4, 7, 8, 8 exactly once, with +, -, *, / and parentheses, to make 24."


def test_a_tool_that_has_to_be_approved_waits_through_resumes(tmp_path: Path) -> None:
    asked = ("--system", "agentflow", "--ask-before", "PYTHON", "--thread", "t")
    paused = flowwright("run", *asked, GAME, cwd=tmp_path)
    assert paused.returncode == 0
    assert "waiting PYTHON" in paused.stdout
    bad("resume", "t", "--approve", "nothing", cwd=tmp_path, says="no call waits")
    (denied,) = lines(flowwright("resume", "t", "--deny", "all", "--json", cwd=tmp_path))
    assert "not approved" in str(denied["faults"])
    assert denied["waiting"]
    for _ in range(8):
        (result,) = lines(flowwright("resume", "t", "--approve", "all", "--json", cwd=tmp_path))
        if not result["waiting"]:
            break
    assert result["status"] == "finished"


def test_tools_can_be_named_and_what_names_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mill.txt").write_text("The lease of the mill ends in 1931.")
    given = ("--system", "agentflow", "--tool", "corpus:notes", "--tool", "python-session", "--tool", "fetch")
    (result,) = lines(flowwright("run", *given, "--json", QUESTION, cwd=tmp_path))
    assert result["correct"] is True
    bad("run", "q", "--tool", "nothing", cwd=tmp_path, says="corpus:PATH")
    bad("run", "q", "--tool", "corpus:missing", cwd=tmp_path, says="no corpus")
    unset = {"FLOWWRIGHT_SEARXNG_URL": "", "BRAVE_API_KEY": ""}
    bad("run", "q", "--tool", "web-search", cwd=tmp_path, says="no web search is set up", **unset)
    bad("run", "q", "--ask-before", "Plan", cwd=tmp_path, says="Plan is no tool")


def test_show_draws_the_canvas_of_a_run(tmp_path: Path) -> None:
    flowwright("run", "--system", "flowsteer", "--thread", "f", QUESTION, cwd=tmp_path)
    assert "workflow" in flowwright("show", "f", cwd=tmp_path).stdout
    chart = flowwright("show", "f", "--mermaid", cwd=tmp_path).stdout
    assert chart.startswith("flowchart TD")
    assert "node_1" in chart
