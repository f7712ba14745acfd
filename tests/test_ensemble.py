"""Agreement is counted: what counts as the same answer, who wins, what a tie costs, and what the outcome tells."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from flowwright.errors import FlowwrightError, UsageError
from flowwright.operators import EmptyReply, Outcome
from flowwright.operators.approaches import read_approaches
from flowwright.operators.choice import json_objects, read_choice
from flowwright.operators.ensemble import ENSEMBLE, SELF_CONSISTENCY_ENSEMBLE, self_consistency
from flowwright.operators.normal_form import normal_forms, same_answer
from flowwright.operators.quantity import read_quantity
from flowwright.operators.votes import Tally
from flowwright.sampling import Sampling
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.errors import GraphInterrupt
from scripted import ScriptedModel, replies

PROBLEM = {"problem@1": "What is 6*7?"}
Reply = str | Exception
TIE = ["Answer: 1", "Answer: 1", "Answer: 2", "Answer: 2", "Answer: 3"]


class Samples:
    """A sampler whose call number `sample` answers `replies[sample]`, raising the exceptions among them."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = replies
        self.asked: list[tuple[int, float]] = []
        self.prompts: dict[int, str] = {}

    def __call__(self, sampling: Sampling, sample: int) -> Runnable[Any, Any]:
        def reply(prompt: Any) -> AIMessage:
            self.asked.append((sample, sampling.temperature))
            self.prompts[sample] = prompt.to_string()
            said = self.replies[sample]
            if isinstance(said, Exception):
                raise said
            return AIMessage(said)

        return RunnableLambda(reply)


def vote(*replies: Reply, samples: int = 5) -> tuple[Outcome, Samples]:
    sampler = Samples(*replies)
    return self_consistency(samples).bind("solve", PROBLEM, model=sampler).invoke({}), sampler


# -- the vote


def test_a_unique_plurality_wins_and_asks_nobody() -> None:
    outcome, sampler = vote("Answer: 41", "So 6*7.\nAnswer: 42", "Answer: 42.0", "Answer: \\boxed{42}", "Answer: 7")
    assert sorted(sampler.asked) == [(number, 0.7) for number in range(5)]
    assert (outcome.kind, outcome.answer) == ("vote", "42")
    assert outcome.content == "[vote: 3 of 5 samples say 42, margin 2]\n\nSo 6*7.\nAnswer: 42"
    assert outcome.data == {
        "votes": {"42": 3, "41": 1, "7": 1}, "samples": 5, "abstained": 0, "failed": [],
        "lengths": [10, 18, 12, 18, 9], "winner": 1, "margin": 2, "support": 0.6, "tie_break": None,
    }  # fmt: skip


@pytest.mark.parametrize(("letter", "answer"), [("A", "1"), ("b", "2")])
def test_a_tie_is_settled_by_one_greedy_call_among_the_tied(letter: str, answer: str) -> None:
    outcome, sampler = vote(*TIE, f'{{"reason": "because", "choice": "{letter}"}}')
    assert sampler.asked[-1] == (5, 0.0)
    assert len(sampler.asked) == 6
    prompt = sampler.prompts[5]
    assert prompt.count("<input key=") == 3
    assert '<input key="A">\nAnswer: 1\n</input>\n<input key="B">\nAnswer: 2\n</input>' in prompt
    assert (outcome.answer, outcome.data["tie_break"], outcome.data["margin"]) == (answer, "model", 0)
    assert "tied with 1 more; the model chose this one" in outcome.content


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ('{"choice": 0}', "0 is not one of A, B"),
        ('{"choice": 9}', "9 is not one of A, B"),
        ('{"choice": true}', "true is not one of A, B"),
        ('{"choice": 2.9}', "2.9 is not one of A, B"),
        ('{"choice": "C"}', '"C" is not one of A, B'),
        ('{"choice": "AB"}', '"AB" is not one of A, B'),
        ('{"choice": ["A"]}', "is not one of A, B"),
        ('{"reason": "none"}', 'no JSON object with a "choice"'),
        ("I would take B.", 'no JSON object with a "choice"'),
        ("", 'no JSON object with a "choice"'),
        ('{"choice": ', 'no JSON object with a "choice"'),
    ],
)
def test_an_invalid_choice_is_reported_and_the_first_of_the_tied_stands(selector: str, problem: str) -> None:
    outcome, _ = vote(*TIE, selector)
    assert (outcome.answer, outcome.data["tie_break"]) == ("1", "first")
    assert problem in str(outcome.data["selector_problem"])
    assert "the first one stands" in outcome.content


@pytest.mark.parametrize("before", ['{"sample": 1, "sum": {"choice": 4}}', '{"choice": "A"}', "{not json", "{}"])
def test_a_choice_after_another_object_is_found(before: str) -> None:
    outcome, _ = vote(*TIE, f'Notes: {before} and so {{"choice": "B"}}')
    assert (outcome.answer, outcome.data["tie_break"]) == ("2", "model")


def test_a_selector_that_fails_costs_the_choice_and_not_the_vote() -> None:
    outcome, _ = vote(*TIE, ConnectionError("key sk-123 refused"))
    assert (outcome.answer, outcome.data["tie_break"]) == ("1", "first")
    assert outcome.data["selector_problem"] == "ConnectionError"


def test_failed_and_answerless_samples_abstain_and_only_the_failed_are_listed() -> None:
    lost = FlowwrightError("the server is down")
    outcome, _ = vote("Answer: 42", lost, "no idea", ValueError("sk-secret"), "", "unused")
    assert outcome.data["votes"] == {"42": 1}
    assert outcome.data["abstained"] == 4
    assert outcome.data["failed"] == [
        {"sample": 1, "error": "FlowwrightError: the server is down"},
        {"sample": 3, "error": "ValueError"},
        {
            "sample": 4,
            "error": "EmptyReply: the model gave SELF_CONSISTENCY_ENSEMBLE an empty reply. "
            "Try again, or shorten the inputs",
        },
    ]
    assert outcome.data["lengths"] == [10, None, 7, None, None]


def test_it_fails_only_if_all_samples_failed_and_then_with_the_first_error() -> None:
    with pytest.raises(ConnectionError, match="first"):
        vote(*(ConnectionError(word) for word in ("first", "second", "third", "x", "y")))
    with pytest.raises(EmptyReply):
        vote("", "", samples=2)


def test_without_any_stated_answer_the_model_chooses_among_all() -> None:
    outcome, sampler = vote("an essay", "a better essay", "a third", '{"choice": "B"}', samples=3)
    assert sampler.prompts[3].count("<input key=") == 4
    assert (outcome.answer, outcome.data["tie_break"], outcome.data["support"]) == (None, "model", None)
    assert outcome.content.endswith("a better essay")
    assert "none of 3 samples states a final answer" in outcome.content


def test_a_single_sample_without_an_answer_needs_no_choice() -> None:
    outcome, sampler = vote("an essay", ValueError(), samples=2)
    assert len(sampler.asked) == 2
    assert (outcome.answer, outcome.data["tie_break"]) == (None, None)


def test_among_equal_samples_a_whole_one_is_preferred_to_one_cut_off() -> None:
    def sampler(sampling: Sampling, sample: int) -> Runnable[Any, Any]:
        reason = "length" if sample == 0 else "stop"
        message = AIMessage(f"sample {sample}\nAnswer: 1", response_metadata={"finish_reason": reason})
        return RunnableLambda(lambda _: message)

    outcome = self_consistency(2).bind("solve", PROBLEM, model=sampler).invoke({})
    assert outcome.data["winner"] == 1
    assert "truncated" not in outcome.data


def test_programs_vote_by_syntax_tree() -> None:
    first = "```python\ndef f(x):\n    # comment\n    return x + 1\n```"
    same = '```python\ndef f(x):\n    """Doc."""\n    return (x+1)\n```'
    outcome, _ = vote("```python\ndef f(x): return x\n```", first, same, samples=3)
    assert outcome.answer == "def f(x):\n    # comment\n    return x + 1"
    assert "2 of 3 samples say the same program" in outcome.content


def test_an_interrupt_in_a_sample_is_no_vote() -> None:
    with pytest.raises(GraphInterrupt):
        vote("Answer: 1", GraphInterrupt(), "Answer: 1", samples=3)
    with pytest.raises(GraphInterrupt):
        vote("Answer: 1", "Answer: 2", GraphInterrupt(), samples=2)


def test_an_input_whose_key_is_a_letter_stays_in_sight_of_the_choice() -> None:
    sampler = Samples("Answer: 1", "Answer: 2", '{"choice": "A"}')
    self_consistency(2).bind("solve", {"A": "the problem itself"}, model=sampler).invoke({})
    assert '<input key="input-A">\nthe problem itself' in sampler.prompts[2]


@pytest.mark.parametrize("samples", [0, 27])
def test_the_number_of_samples_is_bounded(samples: int) -> None:
    with pytest.raises(UsageError, match="Ask for 1 to 26"):
        self_consistency(samples)


def test_the_number_of_samples_is_part_of_the_version_and_the_budget() -> None:
    assert self_consistency(3).version != SELF_CONSISTENCY_ENSEMBLE.version
    assert (self_consistency(3).max_calls, SELF_CONSISTENCY_ENSEMBLE.max_calls) == (4, 6)


# -- how it runs


def barrier_sampler(barrier: threading.Barrier) -> Callable[[Sampling, int], Runnable[Any, Any]]:
    def reply(_: Any) -> AIMessage:
        barrier.wait(timeout=10)
        return AIMessage("Answer: 1")

    return lambda sampling, sample: RunnableLambda(reply)


def test_samples_run_at_the_same_time() -> None:
    operator = self_consistency(4).bind("solve", PROBLEM, model=barrier_sampler(threading.Barrier(4)))
    assert operator.invoke({}).data["abstained"] == 0


async def test_samples_run_at_the_same_time_on_one_event_loop() -> None:
    async def reply(_: Any) -> AIMessage:
        await asyncio.sleep(0.2)
        return AIMessage("Answer: 1")

    def sampler(sampling: Sampling, sample: int) -> Runnable[Any, Any]:
        return RunnableLambda(lambda _: AIMessage("never"), reply)

    began = time.monotonic()
    outcome = await SELF_CONSISTENCY_ENSEMBLE.bind("solve", PROBLEM, model=sampler).ainvoke({})
    assert outcome.data["votes"] == {"1": 5}
    assert time.monotonic() - began < 0.8


async def test_all_ways_to_call_the_ensemble_agree() -> None:
    texts = itertools.cycle([*TIE, '{"choice": "B"}'])
    lock = threading.Lock()

    def script(prompt: str, _: int) -> str:
        with lock:
            return next(texts)

    operator = SELF_CONSISTENCY_ENSEMBLE.bind("solve", PROBLEM, model=ScriptedModel(script=script))
    found = [operator.invoke({}), list(operator.stream({}))[-1], await operator.ainvoke({})]
    found += [[outcome async for outcome in operator.astream({})][-1], (await operator.abatch([{}]))[0]]
    assert {(outcome.data["tie_break"], outcome.data["samples"]) for outcome in found} == {("model", 5)}


async def test_every_sample_shows_up_in_the_events() -> None:
    operator = SELF_CONSISTENCY_ENSEMBLE.bind("solve", PROBLEM, model=replies("Answer: 1"))
    events = [event async for event in operator.astream_events({}, version="v2")]
    names = Counter(event["name"] for event in events if event["event"] == "on_chain_end")
    assert names["operator.SELF_CONSISTENCY_ENSEMBLE.sample"] == 5
    tagged = [event for event in events if event["event"] == "on_chat_model_end"]
    assert all("operator:SELF_CONSISTENCY_ENSEMBLE" in event["tags"] for event in tagged)


# -- several approaches in one reply


def test_the_approaches_of_one_reply_are_counted_and_a_claim_that_lost_is_overruled() -> None:
    text = "Approach 1: a\nResult: 7\n\n**Approach 2:** b\n**Result:** 7.0\nApproach 3\nResult: 8\nAnswer: 8"
    outcome = ENSEMBLE.bind("solve", PROBLEM, model=replies(text)).invoke({})
    assert (outcome.answer, outcome.data["votes"], outcome.data["claimed"]) == ("7", {"7": 2, "8": 1}, "8")
    assert outcome.content.startswith("[vote: 2 of 3 approaches say 7, margin 1]")
    assert outcome.content.endswith("Answer: 8\n\nAnswer: 7")


def test_approaches_without_result_lines_are_read_by_their_answers() -> None:
    outcome = read_approaches("Approach 1\nAnswer: 7\nApproach 2\nAnswer: 7\nApproach 3\nnothing")
    assert (outcome.answer, outcome.data["abstained"], outcome.data["support"]) == ("7", 1, 2 / 3)


@pytest.mark.parametrize(("claim", "answer", "by"), [("8", "8", "model"), ("9", "7", "first")])
def test_tied_approaches_follow_the_claim_if_it_is_among_them(claim: str, answer: str, by: str) -> None:
    outcome = read_approaches(f"Approach 1\nResult: 7\nApproach 2\nResult: 8\nAnswer: {claim}")
    assert (outcome.answer, outcome.data["tie_break"]) == (answer, by)


def test_programs_in_approaches_vote_and_the_final_code_does_not() -> None:
    block = "```python\ndef f(): return {}\n```"
    text = f"Approach 1\n{block.format(1)}\nApproach 2\n{block.format(1)}\nFinal code\n{block.format(2)}"
    assert read_approaches(text).data["samples"] == 2
    assert read_approaches(text).answer == "def f(): return 1"


def test_a_reply_without_headings_is_one_approach() -> None:
    outcome = read_approaches("It is so.\nAnswer: 5")
    assert (outcome.answer, outcome.data["votes"], outcome.data["tie_break"]) == ("5", {"5": 1}, None)
    assert read_approaches("no answer").answer is None


# -- what counts as the same answer

SAME = [
    ["1/2", "0.5", ".5", "50%", "50 \\%", "$\\frac{1}{2}$", "\\dfrac12", "\\boxed{0.50}", "**0.5**", "1/2.", "+0.5"],
    ["1,234", "1234", "1{,}234", "1\\,234", "1234.0", "1.234e3", "1.234 \\times 10^{3}", "$1,234$"],
    ["3/2", "1 1/2", "1\\frac{1}{2}", "1.5"],
    ["-3", "−3", "- 3", "-3.0", "x = -3"],
    ["12", "12 apples", "12 apple", "12."],
    ["90", "90°", "90^\\circ", "90 degrees"],
    ["12 km", "12km", "12\\text{ km}"],
    ["3000000", "3 million", "$3 million", "$3,000,000"],
    ["$5", "5 dollars", "US$5.00", "5"],
    ["-$5", "$-5", "−5"],
    ["(B)", "B", "b.", "B)", "**B**", "option B", "(B) Paris", "B. Paris", "B: Paris"],
    ["The Eiffel Tower", "eiffel tower", "Eiffel-Tower!", "\"Eiffel Tower\"", "“Eiffel Tower”"],
    ["(1, 2)", "(1,2.0)", "$(1,\\, 2)$"],
    ["Yes", "yes.", "YES!", "[[yes]]"],
    ["x^2+1", "x^2 + 1", "\\(x^2+1\\)"],
    ["```python\ndef f(x):\n    return x\n```", "def f(x): return x  # same"],
]  # fmt: skip
DIFFERENT = [
    ["1/3", "0.333", "33%"],
    ["3 km", "3 m", "3 cm"],
    ["7 am", "7 pm", "7"],
    ["$5", "€5"],
    ["5!", "5"],
    ["x", "-x", "2x"],
    ["2", "2xy", "2 pi"],
    ["(1,2)", "[1,2]", "(2,1)", "1,2"],
    ["x=1, y=2", "x=2, y=1"],
    ["B", "C", "Paris"],
    ["B. Paris", "C. Paris"],
    ["def f(x): return x", "def f(y): return y"],
    ["12/25/2020", "12/25"],
    ["1e999999999999", "1"],
    ["+", "-", "!"],
    ["5 or 7", "5"],
    ["5th", "5"],
    ["1/0", "0"],
    ["(1, 2)]", "(1, 2)", "(1), (2)", "(1, [2)"],
]


@pytest.mark.parametrize("answers", SAME, ids=lambda answers: answers[0])
def test_answers_that_say_the_same_have_one_form(answers: list[str]) -> None:
    assert len(set(normal_forms(answers))) == 1, normal_forms(answers)


@pytest.mark.parametrize("answers", DIFFERENT, ids=lambda answers: answers[0])
def test_answers_that_do_not_say_the_same_keep_apart(answers: list[str]) -> None:
    assert len(set(normal_forms(answers))) == len(answers), normal_forms(answers)


@given(st.fractions(max_denominator=10**6))
def test_a_number_is_read_exactly_however_it_is_written(value: Fraction) -> None:
    sign = "-" if value < 0 else ""
    over, under = abs(value.numerator), value.denominator
    written = [
        f"{sign}{over}/{under}",
        f"{sign}\\frac{{{over}}}{{{under}}}",
        f"${sign}\\frac{{{over:,}}}{{{under:,}}}$",
    ]
    assert set(normal_forms(written)) == {str(value)}


@given(st.integers(), st.integers(min_value=0, max_value=6))
def test_thousands_separators_and_decimals_change_nothing(number: int, digits: int) -> None:
    assert same_answer(f"{number:,}", f"{number}.{'0' * digits}")


@given(st.text(max_size=60))
def test_the_same_text_is_the_same_answer_and_forms_are_stable(text: str) -> None:
    assert same_answer(text, text)
    assert same_answer(text, f"  {text} ")


@given(st.text(alphabet="0123456789.,/eE+-%$ km^{}\\frac", max_size=200))
def test_reading_a_quantity_never_fails_and_never_hangs(text: str) -> None:
    began = time.monotonic()
    read_quantity(text)
    assert time.monotonic() - began < 1


@given(st.lists(st.one_of(st.none(), st.sampled_from("abc")), max_size=30))
def test_the_tally_equals_a_plain_count(answers: list[str | None]) -> None:
    tally = Tally.of(answers)
    counted = Counter(answer for answer in answers if answer)
    assert tally.votes == counted
    assert set(tally.leaders) == {form for form in counted if counted[form] == max(counted.values())}
    top = sorted(counted.values(), reverse=True)
    assert tally.margin == (top[0] - (top[1] if len(top) > 1 else 0) if top else 0)
    assert [form for form in tally.ballots if form is None] == [None] * answers.count(None)


@given(st.text(max_size=200))
def test_a_choice_is_a_letter_that_was_offered_or_none(reply: str) -> None:
    choice = read_choice(reply, ["A", "B"])
    assert (choice.letter is None) == (choice.problem is not None)


def test_deep_nesting_in_a_reply_breaks_nothing() -> None:
    assert list(json_objects('{"a":' * 2_000)) == []
    assert read_choice('{"a":' * 100_000 + '{"choice": "A"}', ["A"]).letter == "A"
    deep = "```python\ndef f(): return " + "(" * 5_000 + "1" + ")" * 5_000 + "\n```"
    assert same_answer(deep, deep)
    assert same_answer("```python\ndef f(): return " + "1+" * 1_500 + "1\n```", "x") is False
