"""Answers that are already there are compared, never written anew: equal ones are counted in code, a model is asked
only where the count decides nothing, and the whole count is in the outcome."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableLambda

from ..errors import UsageError
from .answers import final_answer
from .choice import read_choice
from .election import Election
from .normal_form import clean
from .outcome import Outcome
from .quantity import read_quantity
from .reasoning import read_answer
from .reply import reply_chain
from .template import Job

PROBLEM: Final = "problem"
MOST: Final = len(string.ascii_uppercase)
"""Candidates that letters can tell apart."""


def choose_given(job: Job) -> Runnable[dict[str, Any], Outcome]:
    """Builder: the candidate whose final answer most of them share. A model chooses among tied ones, and among all of
    them where none states an answer; what is not one of the letters leaves the first one standing."""
    election = election_of(job)
    leading = election.candidates()
    if len(leading) == 1:
        return _settled(election.outcome(leading[0]))
    lettered = dict(zip(string.ascii_uppercase, leading, strict=False))
    texts = list(_candidates(job.inputs).values())
    shown = _problem(job.inputs) | {letter: texts[number] for letter, number in lettered.items()}

    def conclude(said: str) -> Outcome:
        choice = read_choice(said, lettered)
        if choice.letter is None:
            return election.outcome(leading[0], "first", selector_problem=choice.problem)
        return election.outcome(lettered[choice.letter], "model")

    return reply_chain(replace(job, inputs=shown), conclude, sample=0)


def merge_given(job: Job) -> Runnable[dict[str, Any], Outcome]:
    """Builder: one answer out of several. Where all of them state a number and more than half state the same one, it
    is that one, counted; else a model merges them in one call."""
    election = election_of(job)
    winner = numeric_majority(election)
    return reply_chain(job, read_answer, sample=0) if winner is None else _settled(election.outcome(winner))


def election_of(job: Job) -> Election:
    """The count over the inputs beside the problem. Raises UsageError where there is none."""
    texts = _candidates(job.inputs).values()
    if not texts:
        raise UsageError(f"{job.template.name} got no candidate beside the problem", fix=job.template.accepts)
    kind = job.template.output
    return Election.of([Outcome(kind=kind, content=text, answer=final_answer(text)) for text in texts], "candidates")


def numeric_majority(election: Election) -> int | None:
    """First candidate with the number that more than half of all candidates state; None: there is no such number, or
    not every candidate states one."""
    answers = [one.answer for one in election.samples if isinstance(one, Outcome)]
    if not all(answer is not None and read_quantity(clean(answer)) for answer in answers):
        return None
    form = election.tally.leaders[0]
    return election.tally.voters(form)[0] if 2 * election.tally.votes[form] > len(answers) else None


def is_problem(key: str) -> bool:
    """Whether a display key is the problem's: `problem@1`."""
    return key.partition("@")[0] == PROBLEM


def _problem(inputs: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in inputs.items() if is_problem(key)}


def _candidates(inputs: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in inputs.items() if not is_problem(key)}


def _settled(outcome: Outcome) -> Runnable[dict[str, Any], Outcome]:
    async def known(_: dict[str, Any]) -> Outcome:
        return outcome

    return RunnableLambda(lambda _: outcome, known, name="count votes")
