"""A prompt tells its node what to do with this problem, and never repeats the words of an earlier one. A test's prompt
has assertions that stand in the question, so that nothing is solved in it."""

from __future__ import annotations

from typing import Final

from ..job import fenced
from ..skills import Problem

PROMPTS: Final = {
    "Plan": "List two to four steps that lead to the answer; carry none of them out.",
    "Decompose": "Take the problem apart into two to four sub-tasks; solve none of them.",
    "Programmer": "Write a program whose solve() works the answer out from the data of the problem and returns it.",
    "AnswerGenerate": "Solve the problem step by step and end with the answer.",
    "Custom": "Solve the problem in a way of your own, and put the result back into the problem before you state it.",
    "Test": "Run the program on the assertions that stand in the problem.",
    "Review": "Go through the candidate step by step, and put its result back into the problem.",
    "Verify": "Work the problem out anew before you look at the candidate, then compare.",
    "Revise": "Correct the candidate in view of what was found about it.",
    "ScEnsemble": "Keep the result that was reached in most ways; between equals, work out where they part.",
    "Aggregate": "Merge the results into one; where they differ, work out the point in which they do.",
    "Format": "State the final answer alone, in the form the problem asks for.",
}
FUNCTION: Final = "Write the function that is asked for; go through the edge cases of its description first."
ASSERTED: Final = "Run the program on these assertions, which the problem itself states."


def prompt_for(operator: str, problem: Problem, number: int) -> str:
    """What a node of `operator` has to do; `number` tells one attempt from another."""
    if operator == "Test" and problem.acceptance is not None:
        return f"{ASSERTED} (Run {number}.)\n{fenced(problem.acceptance)}"
    text = FUNCTION if operator == "Programmer" and problem.family == "functions" else PROMPTS[operator]
    return f"{text} (Attempt {number}.)"
