"""Tasks are reproducible and their checks exact: gold answers pass, anything else fails, and no text breaks a check."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from flowwright.digest import digest
from flowwright.operators.sandbox import SandboxUnavailable, open_sandbox
from flowwright.training.tasks import FAMILIES, Task, TaskFamily, check_answer, family_of
from flowwright.training.tasks.functions import SPECS, code_in
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = Path(os.environ.get("FLOWWRIGHT_DATA", Path(__file__).resolve().parent.parent.parent / "shared" / "data"))
QUICK = [family for name, family in FAMILIES.items() if name != "functions"]
NUMERIC = [FAMILIES[name] for name in ("arithmetic", "statistics", "word_problems")]
TIED = "Find the mode of the list [1, 1, 2, 2]. Give the exact value, as a fraction if it is not whole."
HOSTILE = (
    "__import__('os').system('true')", "9**9**9", "1e999999", "0x10", "(" * 500, "1+" * 5000 + "1", "-" * 5000, "1 if 1 else 2",
    "[1][0]", "24and 1", "\x00", "1/0", "answer: " * 999, "١٢", "x = y", "True", "(1).__class__", "7_000", "nan",
)  # fmt: skip


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here; set FLOWWRIGHT_DATA to a folder that has it")
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def sandbox() -> None:
    try:
        open_sandbox()
    except SandboxUnavailable as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_seed_gives_the_same_tasks_in_every_process(family: TaskFamily) -> None:
    program = (
        "import json; from flowwright.training.tasks import FAMILIES; from flowwright.digest import digest;"
        f"print(digest([one.as_json() for one in FAMILIES[{family.name!r}].generate(5, 20)]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    tasks = family.generate(5, 20)
    assert other.stdout.strip() == digest([one.as_json() for one in tasks])
    assert family.generate(5, 3) == tasks[:3]
    assert family.generate(6, 20) != tasks
    assert len({one.id for one in tasks}) == 20


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_questions_are_varied_and_recognised_by_their_own_family_only(family: TaskFamily) -> None:
    tasks = family.generate(1, 200)
    assert len({one.question for one in tasks}) > 150
    assert {one.difficulty for one in tasks} == {"easy", "hard"}
    for task in tasks:
        assert [one.name for one in FAMILIES.values() if one.recognises(task.question)] == [family.name]


@given(st.sampled_from(QUICK), st.integers(0, 10**6))
def test_the_gold_answer_passes_bare_and_in_a_reply(family: TaskFamily, seed: int) -> None:
    for task in family.generate(seed, 2):
        answer = task.gold["answer"]
        assert family.check(task, answer)
        assert family.check(task, f"First 1 + 1 = 2.\nAnswer: 7\nNo, wrong.\n**Answer:** {answer}.\n")
        assert check_answer(task.question, answer) is True


@given(st.sampled_from(NUMERIC), st.integers(0, 10**6), st.fractions(max_denominator=30).filter(bool))
def test_any_other_number_fails(family: TaskFamily, seed: int, off: Fraction) -> None:
    for task in family.generate(seed, 2):
        value = Fraction(task.gold["answer"])
        assert family.check(task, str(value).replace("-", "−"))
        assert not family.check(task, str(value + off))
        assert not family.check(task, f"{value} or {value + off}")
        assert not family.check(task, "")


@given(st.integers(0, 10**6), st.fractions(max_denominator=30).filter(bool))
def test_an_equation_needs_every_unknown_and_the_right_value_for_each(seed: int, off: Fraction) -> None:
    family = FAMILIES["equations"]
    for task in family.generate(seed, 2):
        pairs = dict(part.split(" = ") for part in task.gold["answer"].split(", "))
        for name, value in pairs.items():
            wrong = {**pairs, name: str(Fraction(value) + off)}
            assert not family.check(task, ", ".join(f"{one} = {number}" for one, number in wrong.items()))
            partial = [f"{one} = {number}" for one, number in pairs.items() if one != name]
            assert not family.check(task, ", ".join(partial))
            assert not family.check(task, f"{task.gold['answer']}, {name} = {value}")
        assert not family.check(task, f"{task.gold['answer']}, z = 1")
        assert family.check(task, " and ".join(f"{one}={number}" for one, number in pairs.items()))


@given(st.integers(0, 10**6), st.integers(0, 3))
def test_game_of_24_counts_every_number_once(seed: int, position: int) -> None:
    family = FAMILIES["game24"]
    for task in family.generate(seed, 2):
        gold, numbers = task.gold["answer"], task.gold["numbers"]
        assert family.check(task, gold.replace("*", "×").replace("/", "÷").replace("-", "−") + " = 24")
        for wrong in (
            f"({gold}) + 1",
            f"({gold}) * {numbers[position]} / {numbers[position]}",
            "24",
            "4 * 6",
            f"-(-{gold})",
        ):
            assert not family.check(task, wrong)
        assert not family.check(task, gold.replace(str(numbers[position]), f"{numbers[position] + 1}", 1))


def test_equal_values_count_however_they_are_written() -> None:
    family = FAMILIES["statistics"]
    task = family.generate(0, 1)[0]
    half = Task(task.id, task.family, task.difficulty, task.question, {"value": "-7/2"})
    thousand = Task(task.id, task.family, task.difficulty, task.question, {"value": "1200"})
    assert all(family.check(half, one) for one in ("-7/2", "-3.5", "-14/4", "Answer: `-3.50`", "−7 / 2", "$-3.5$"))
    assert not any(family.check(half, one) for one in ("7/2", "-3.51", "-7/-2", "3 1/2", "-7/2/1", "-(7/2)x", "three"))
    assert all(family.check(thousand, one) for one in ("1200", "1,200", "$1,200.00", "2400/2"))
    assert not any(family.check(thousand, one) for one in ("1,20", "12,00", "1200 or so", "1200/0"))
    story = FAMILIES["word_problems"].generate(0, 1)[0]
    assert FAMILIES["word_problems"].check(story, f"{story.gold['value']} {story.gold['unit']}")
    assert not FAMILIES["word_problems"].check(story, f"{story.gold['value']} bananas")


@settings(max_examples=200)
@given(st.sampled_from(QUICK), st.text() | st.text(alphabet="0123456789+-*/(). =xy,\n") | st.sampled_from(HOSTILE))
def test_no_text_breaks_a_check(family: TaskFamily, text: str) -> None:
    for task in family.generate(3, 2):
        assert family.check(task, text) in (True, False)
    assert check_answer(text, text) in (True, False, None)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_answers_are_wrong_answers(text: str) -> None:
    assert not any(family.check(task, text) for family in QUICK for task in family.generate(4, 4))


def test_every_function_passes_its_own_hidden_tests_and_no_other(sandbox: None) -> None:
    family, seen = FAMILIES["functions"], dict[str, Task]()
    for task in family.generate(2, 120):
        seen.setdefault(task.question.split(" that ")[1].split("\n")[0], task)
    assert len(seen) == len(SPECS) >= 12
    for task in seen.values():
        assert family.check(task, task.gold["answer"])
        assert not family.check(task, task.gold["answer"].replace(f"def {task.gold['entry_point']}", "def other"))
        assert not family.check(task, f"```python\ndef {task.gold['entry_point']}(*_):\n    return None\n```")
        assert "Examples" not in task.gold["tests"]
        assert len(set(task.gold["tests"].splitlines()) - set(task.question.splitlines())) > 5


def test_the_examples_in_a_question_are_true(sandbox: None) -> None:
    for task in FAMILIES["functions"].generate(9, 12):
        examples = "\n".join(line for line in task.question.splitlines() if line.startswith("assert"))
        verdict = open_sandbox().check(code_in(task.gold["answer"]), examples, entry_point=task.gold["entry_point"])
        assert (verdict.status, verdict.asserted) == ("passed", 3)


def test_a_question_of_no_family_is_not_judged() -> None:
    for question in (
        "Who wrote it?",
        "",
        "What is love?",
        "Solve for x: x = y.",
        TIED,
        "A recipe for 0 people needs 1 grams of flour. How many grams of flour are needed for 2 people?",
    ):
        assert family_of(question) is None
        assert check_answer(question, "42") is None
    assert check_answer("What is 3*(4+5)?", "27") is True
    assert check_answer("What is 3*(4+5)?", None) is False


def test_the_published_rows_of_game_of_24_are_judged_by_their_question_alone() -> None:
    for row in rows("gameof24.json"):
        assert family_of(row["query"]) is FAMILIES["game24"]
        assert all(check_answer(row["query"], answer) for answer in row["answer"])
        assert not any(check_answer(row["query"], f"{answer} + 0") for answer in row["answer"])
        assert not check_answer(row["query"], "(1+2+3)×4") or sorted(row["question"]) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "name", ["gsm8k_test.jsonl", "HumanEval.jsonl.gz", "aime24.json", "bamboogle.json", "hotpotqa.json", "medqa.json"]
)
def test_rows_of_other_sets_belong_to_no_family(name: str) -> None:
    for row in rows(name):
        for field in ("query", "question", "prompt"):
            assert family_of(str(row.get(field))) is None
