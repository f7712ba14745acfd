"""The operators of FlowSteer (arXiv 2602.01664) under their published names. Each one is given the problem, what the
canvas has so far, and the instruction of its own node, and none of them overlooks the instruction.

Where an operator means the same as one of DyFlow it is that one under another name. What is ours: a test runs in the
sandbox and repairs nothing, a verification changes no answer, and what can be counted is counted without a model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from langchain_core.runnables import Runnable

from ..sampling import Sampling
from .candidates import MOST, choose_given, merge_given
from .code import LONG, TEST_CODE, run_trial
from .outcome import Outcome
from .programmer import write_and_run
from .prompt import Prompt
from .reasoning import (
    DECOMPOSE_PROBLEM,
    GENERATE_ANSWER,
    GENERATE_PLAN,
    REFINE_ANSWER,
    REVIEW_SOLUTION,
    read_answer,
)
from .reply import one_reply
from .template import Job, OperatorTemplate
from .verify import read_verification

PACKAGE: Final = "flowwright.operators"


def run_test(job: Job) -> Runnable[dict[str, Any], Outcome]:
    """Builder of Test: as TEST_CODE, with the assertions that stand in the instruction too."""
    return run_trial(replace(job, inputs={**job.inputs, "instruction": job.instruction}))


PLAN: Final = replace(GENERATE_PLAN, name="Plan")
DECOMPOSE: Final = replace(DECOMPOSE_PROBLEM, name="Decompose")
PROGRAMMER: Final = OperatorTemplate(
    name="Programmer",
    purpose="Write a Python program, run it, correct it up to twice; its value, or the program itself, is the answer.",
    accepts="the problem; optionally a plan, or a program and what was found about it",
    output="code",
    build=write_and_run,
    prompts=(Prompt.load(PACKAGE, "PROGRAMMER"),),
    sampling=LONG,
    max_calls=3,
    needs_sandbox=True,
)
CUSTOM: Final = OperatorTemplate(
    name="Custom",
    purpose="Do whatever the instruction says for the problem: solve it, or a part of it, in a way of your choice.",
    accepts="the problem; optionally a plan, candidates and reports",
    output="answer",
    build=one_reply(read_answer),
    prompts=(Prompt.load(PACKAGE, "CUSTOM"),),
)
ANSWER_GENERATE: Final = replace(GENERATE_ANSWER, name="AnswerGenerate")
TEST: Final = replace(
    TEST_CODE,
    name="Test",
    accepts="a program; assertions for it may stand in the problem and in the instruction",
    build=run_test,
)
REVIEW: Final = replace(REVIEW_SOLUTION, name="Review")
VERIFY: Final = OperatorTemplate(
    name="Verify",
    purpose="Work the problem out anew and compare: verdict accept or reject, with its own answer and confidence.",
    accepts="the problem and a candidate; optionally a test report",
    output="review",
    build=one_reply(read_verification),
    prompts=(Prompt.load(PACKAGE, "VERIFY"),),
    min_inputs=2,
)
REVISE: Final = replace(REFINE_ANSWER, name="Revise")
SC_ENSEMBLE: Final = OperatorTemplate(
    name="ScEnsemble",
    purpose="Keep the candidate whose answer most candidates share; a model chooses only where the count is a tie.",
    accepts="the problem and the candidates to choose from",
    output="vote",
    build=choose_given,
    prompts=(Prompt.load(PACKAGE, "SC_ENSEMBLE"),),
    sampling=Sampling(temperature=0.0),
    min_inputs=2,
    max_inputs=MOST + 1,
)
AGGREGATE: Final = OperatorTemplate(
    name="Aggregate",
    purpose="Merge several partial or competing results into one answer; a majority of equal numbers is counted.",
    accepts="the problem and the results to merge",
    output="answer",
    build=merge_given,
    prompts=(Prompt.load(PACKAGE, "AGGREGATE"),),
    min_inputs=2,
)
FORMAT: Final = OperatorTemplate(
    name="Format",
    purpose="State the final answer of a candidate alone, in the form the problem asks for.",
    accepts="the problem and a candidate",
    output="answer",
    build=one_reply(read_answer),
    prompts=(Prompt.load(PACKAGE, "FORMAT"),),
    min_inputs=2,
)

FLOWSTEER_OPERATORS: Final[tuple[OperatorTemplate, ...]] = (
    PLAN, DECOMPOSE, PROGRAMMER, CUSTOM, ANSWER_GENERATE, TEST, REVIEW, VERIFY, REVISE, SC_ENSEMBLE, AGGREGATE, FORMAT,
)  # fmt: skip
"""In the order in which a catalogue shows them."""

PLANNERS: Final = ("Plan", "Decompose")
SOLVERS: Final = ("Programmer", "Custom", "AnswerGenerate")
CHECKERS: Final = ("Test", "Review", "Verify")
REVISERS: Final = ("Revise",)
AGGREGATORS: Final = ("ScEnsemble", "Aggregate")
FORMATTERS: Final = ("Format",)
