"""Operators that think in one call. What a reply does not say is not made up: a review without a verdict has none, a
text without a marked answer has none, and a plan without its heading stays whole."""

from __future__ import annotations

import re
from typing import Final, cast

from .answers import final_answer
from .outcome import Outcome, VerdictWord
from .prompt import Prompt
from .reply import one_reply
from .template import OperatorTemplate

PACKAGE: Final = "flowwright.operators"
PLAN_HEADING: Final = re.compile(r"^[#* \t]*(?:solution[ \t]+)?plan[* \t]*+:?[* \t]*+$", re.IGNORECASE | re.MULTILINE)
VERDICT_LINE: Final = re.compile(
    r"^(?:[^\w\n]|_)*(?:(?:overall|final)[ \t]+)?verdict[ \t*_]*(?:[:=–—-]|$)[\s*_]*(?P<said>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
VERDICT: Final = re.compile(
    r"\W*(?P<word>accept|minor[\s_-]*issues?|major[\s_-]*issues?|reject)(?:ed)?[\s*_`\"'.!)\]]*(?:\(.*)?", re.IGNORECASE
)


def read_text(text: str) -> Outcome:
    """Free text, with its final answer where it marks one."""
    return Outcome(kind="text", content=text, answer=final_answer(text))


def read_answer(text: str) -> Outcome:
    """A solution with its final answer."""
    return Outcome(kind="answer", content=text, answer=final_answer(text))


def read_subtasks(text: str) -> Outcome:
    """An ordered list of sub-tasks."""
    return Outcome(kind="plan", content=text)


def read_plan(text: str) -> Outcome:
    """A plan from its heading on; the whole text where the heading is missing or nothing follows it."""
    heading = PLAN_HEADING.search(text)
    followed = heading is not None and text[heading.end() :].strip()
    return Outcome(kind="plan", content=text[heading.start() :].strip() if heading and followed else text)


def read_review(text: str) -> Outcome:
    """A review with the verdict of its last `Verdict:` line. `data` says `no_verdict` when there is no such line, and
    `unread_verdict` with its words when they are none of the four."""
    said = [found["said"].strip() for found in VERDICT_LINE.finditer(text)]
    if not said:
        return Outcome(kind="review", content=text, data={"no_verdict": True})
    found = VERDICT.fullmatch(said[-1])
    if found is None:
        return Outcome(kind="review", content=text, data={"no_verdict": True, "unread_verdict": said[-1][:200]})
    word = re.sub(r"[\s_-]+", "_", found["word"].lower())
    word = word.replace("minorissue", "minor_issue").replace("majorissue", "major_issue")
    word = f"{word}s" if word.endswith("issue") else word
    return Outcome(kind="review", content=text, verdict=cast("VerdictWord", word))


DECOMPOSE_PROBLEM: Final = OperatorTemplate(
    name="DECOMPOSE_PROBLEM",
    purpose="Split a problem into 2 to 4 sub-tasks, without solving any of them.",
    accepts="the problem; optionally notes",
    output="plan",
    build=one_reply(read_subtasks),
    prompts=(Prompt.load(PACKAGE, "DECOMPOSE_PROBLEM"),),
)
GENERATE_PLAN: Final = OperatorTemplate(
    name="GENERATE_PLAN",
    purpose="Lay out 2 to 4 ordered steps that lead to the answer, without carrying them out.",
    accepts="the problem; optionally its decomposition",
    output="plan",
    build=one_reply(read_plan),
    prompts=(Prompt.load(PACKAGE, "GENERATE_PLAN"),),
)
GENERATE_ANSWER: Final = OperatorTemplate(
    name="GENERATE_ANSWER",
    purpose="Solve the problem step by step and state the final answer.",
    accepts="the problem; optionally a plan, partial results or test reports",
    output="answer",
    build=one_reply(read_answer),
    prompts=(Prompt.load(PACKAGE, "GENERATE_ANSWER"),),
)
REVIEW_SOLUTION: Final = OperatorTemplate(
    name="REVIEW_SOLUTION",
    purpose="Check a candidate step by step and give a verdict: accept, minor_issues, major_issues or reject.",
    accepts="the problem and a candidate; optionally a test report",
    output="review",
    build=one_reply(read_review),
    prompts=(Prompt.load(PACKAGE, "REVIEW_SOLUTION"),),
    min_inputs=2,
)
REFINE_ANSWER: Final = OperatorTemplate(
    name="REFINE_ANSWER",
    purpose="Correct a candidate in view of a review or test report.",
    accepts="a candidate and what was found about it; the problem too, if it is not quoted there",
    output="answer",
    build=one_reply(read_answer),
    prompts=(Prompt.load(PACKAGE, "REFINE_ANSWER"),),
    min_inputs=2,
)
ORGANIZE_SOLUTION: Final = OperatorTemplate(
    name="ORGANIZE_SOLUTION",
    purpose="Present an accepted candidate as the final answer, in the form the problem asks for.",
    accepts="the problem and a candidate",
    output="answer",
    build=one_reply(read_answer),
    prompts=(Prompt.load(PACKAGE, "ORGANIZE_SOLUTION"),),
)
DIRECT_ANSWER: Final = OperatorTemplate(
    name="DIRECT_ANSWER",
    purpose="Answer the problem from what others found out, in a few sentences.",
    accepts="the problem and the findings",
    output="answer",
    build=one_reply(read_answer),
    prompts=(Prompt.load(PACKAGE, "DIRECT_ANSWER"),),
)
FULL_ANSWER: Final = OperatorTemplate(
    name="FULL_ANSWER",
    purpose="Write up, step by step, how the problem was answered by what others found out.",
    accepts="the problem and the findings",
    output="answer",
    build=one_reply(read_answer),
    prompts=(Prompt.load(PACKAGE, "FULL_ANSWER"),),
)
DEFAULT: Final = OperatorTemplate(
    name="DEFAULT",
    purpose="Follow the instruction to the letter, for work that no other operator does.",
    accepts="whatever the instruction needs",
    output="text",
    build=one_reply(read_text),
    prompts=(Prompt.load(PACKAGE, "DEFAULT"),),
)
