"""A reply is a pure function of the prompt: it plays whichever role the prompt is for, validly, and the answer it leads
to is right for that prompt's question alone. So a run that ever saw another run's text ends with a wrong answer.

The question says how many turns the run is to take. Nothing is remembered between calls, hence one script serves any
number of runs at once, over HTTP and in process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flowwright.operators.prompt import Prompt

QUESTION: Final = re.compile(r"What is (\d+) \+ (\d+)\? Take (\d+) turns\.")
TURN: Final = re.compile(r'"turn": (\d+)')
OPERATOR: Final = re.compile(r"You are the (\S+) operator")
SPEAKERS: Final = {"system": "system", "user": "human", "human": "human", "assistant": "ai", "ai": "ai"}
LENGTH: Final = 700
"""Characters of reasoning in a reply, about what a planner of 7B writes in a turn."""

Said = Sequence[tuple[str, str]]
"""A prompt: speaker and text of each message."""


@dataclass(frozen=True)
class Asked:
    """What a prompt is about."""

    role: str
    """`designer`, `planner`, `director`, `analyst`, `verifier`, `caller`, or an operator's name in its prompt."""
    left: int
    right: int
    turns: int
    """Turns that the run is to take."""
    turn: int
    """The turn that is being decided; 0: the prompt does not tell."""

    @property
    def answer(self) -> str:
        """The right answer."""
        return str(self.left + self.right)


@dataclass(frozen=True)
class Course:
    """How a run of one system goes by this script."""

    turns: int
    calls: int
    """Model calls in all."""
    series: int
    """Model calls one after the other: a run cannot end before so many latencies."""


def course(system: str, turns: int | None = None) -> Course:
    """The course of a run of `system` in so many turns; None: the shortest with two pieces of work."""
    match system:
        case "dyflow":  # the first stage has two operations side by side; the last turn is the finish, then the wording
            turns = turns or 3
            return Course(turns, calls=2 * turns + 1, series=2 * turns)
        case "agentflow":  # analysis; planner, call and verdict a turn; the answer
            turns = turns or 2
            return Course(turns, calls=3 * turns + 2, series=3 * turns + 2)
        case _:  # flowsteer: an edit and its node a turn; the last turn is the finish
            turns = turns or 3
            return Course(turns, calls=2 * turns - 1, series=2 * turns - 1)


def question(number: int, turns: int) -> str:
    """Question number `number`; each has an answer of its own."""
    return f"What is {1000 + number} + {7 * number}? Take {turns} turns."


def answer(number: int) -> str:
    """The right answer to it."""
    return str(1000 + 8 * number)


def marks() -> dict[str, str]:
    """Role by the first line of its prompt file, so that the script follows the prompts."""
    files = {
        "dyflow_designer": "designer", "agentflow_planner": "planner", "flowsteer_director": "director",
        "agentflow_analysis": "analyst", "agentflow_verifier": "verifier", "tool_call": "caller",
    }  # fmt: skip
    return {first_line(Prompt.load("flowwright.graphs", name).system): role for name, role in files.items()}


def first_line(text: str) -> str:
    """What a prompt begins with."""
    return text.partition("\n")[0]


MARKS: Final = marks()


def asked(said: Said) -> Asked:
    """What `said` is about. Raises ValueError for a prompt of no known role or without a scripted question."""
    system = said[0][1]
    operator = OPERATOR.match(system)
    role = operator.group(1) if operator else MARKS.get(first_line(system))
    shown = [text for speaker, text in said if SPEAKERS[speaker] == "human"]
    found, turn = QUESTION.search(shown[0]), TURN.findall("\n".join(shown))
    if role is None or found is None:
        raise ValueError(f"no scripted role or question in {system[:80]!r}")
    left, right, turns = (int(group) for group in found.groups())
    return Asked(role, left, right, turns, int(turn[-1]) if turn else 0)


def reasoning(about: Asked, variant: int = 0, length: int = LENGTH) -> str:
    """Text of so many characters about one question; another `variant` (from 0) is worded differently throughout."""
    pieces = [f"Way {variant} of {about.role}:"]
    step = 0
    while sum(map(len, pieces)) < length:
        step += 1
        pieces.append(f" step {step} splits {about.left} at {step + variant} and adds {about.right} to what is left.")
    return "".join(pieces)[:length]


def designed(about: Asked, variant: int) -> dict[str, Any]:
    """DyFlow: a draft and a plan side by side, notes while turns are left, the end."""
    if about.turn >= about.turns:
        return {"finish": "draft", "reason": reasoning(about, variant, 200)}
    if about.turn == 1:
        work = [("GENERATE_ANSWER", "draft", ["problem"]), ("GENERATE_PLAN", "plan", ["problem"])]
    elif about.turn % 2 == 0:
        work = [("REVIEW_SOLUTION", f"review_{about.turn}", ["problem", "draft"])]
    else:
        work = [("DEFAULT", f"note_{about.turn}", ["problem", "draft"])]
    usage = reasoning(about, variant, 300)
    operators = [
        {
            "operator_description": f"{name} in turn {about.turn}",
            "params": {"instruction_type": name, "input_keys": keys, "output_key": output, "input_usage": usage},
        }
        for name, output, keys in work
    ]
    return {"stage_description": reasoning(about, variant, 200), "operators": operators}


def planned(about: Asked, variant: int) -> dict[str, Any]:
    """AgentFlow: a calculation, then an operator, in turn."""
    tool = "CALCULATOR" if about.turn % 2 else "GENERATE_ANSWER"
    step = {
        "tool": tool, "sub_goal": f"Turn {about.turn}: find {about.left} + {about.right}",
        "context": reasoning(about, variant, 300), "inputs": [],
    }  # fmt: skip
    return {"justification": reasoning(about, variant, 300), "steps": [step]}


def directed(about: Asked, variant: int) -> dict[str, Any]:
    """FlowSteer: an answer, then reviews and revisions in turn, the end."""
    if about.turn >= about.turns:
        return {"action": "finish"}
    operator = "AnswerGenerate" if about.turn == 1 else "Revise" if about.turn % 2 else "Review"
    return {"action": "add", "operator": operator, "prompt": reasoning(about, variant, 500)}


def judged(about: Asked, variant: int) -> dict[str, Any]:
    """AgentFlow's verifier: on until the turns are up."""
    return {"analysis": reasoning(about, variant, 300), "stop": about.turn >= about.turns}


def called(about: Asked, variant: int) -> dict[str, Any]:
    """The arguments of the calculator."""
    return {"expression": f"{about.left} + {about.right}"}


ACTIONS: Final[dict[str, Callable[[Asked, int], dict[str, Any]]]] = {
    "designer": designed, "planner": planned, "director": directed, "verifier": judged, "caller": called
}  # fmt: skip


def reply(said: Said, variant: int = 0) -> str:
    """What the role that `said` is for would say."""
    about = asked(said)
    if about.role in ACTIONS:
        return json.dumps(ACTIONS[about.role](about, variant))
    text = reasoning(about, variant)
    if about.role == "REVIEW_SOLUTION":
        return f"{text}\nVerdict: accept"
    return text if about.role in ("analyst", "GENERATE_PLAN") else f"{text}\nAnswer: {about.answer}"
