"""An operator is shown what it can use and nothing else, in an order that depends on the flow alone."""

from __future__ import annotations

from ...operators.flowsteer import AGGREGATORS
from ...operators.source import find_source, is_program
from ...operators.template import OperatorTemplate
from ..memory import PROBLEM, Memory
from .flow import Flow


def inputs_of(template: OperatorTemplate, flow: Flow, memory: Memory) -> tuple[str, ...]:
    """Memory keys of an operator's inputs at this point.

    A test gets the last program among the candidates (where none holds a program, the last candidate), then the
    problem, which may hold assertions: the candidate that counts is the one that is tested. An aggregator gets the
    problem and the candidates, because notes are not to be voted on. Any other operator gets the problem, the
    candidates and the notes. Where that is more than it takes, the earliest notes go first, then the earliest
    candidates."""
    if template.output == "test":
        return (*tested(flow, memory), PROBLEM)
    notes = () if template.name in AGGREGATORS else flow.notes
    most = template.max_inputs
    if most is None:
        return (PROBLEM, *flow.candidates, *notes)
    candidates = latest(flow.candidates, most - 1)
    return (PROBLEM, *candidates, *latest(notes, most - 1 - len(candidates)))


def tested(flow: Flow, memory: Memory) -> tuple[str, ...]:
    """The candidate that a test is about, if there is one."""
    programs = [key for key in flow.candidates if holds_program(memory[key]["content"])]
    return latest(programs or flow.candidates, 1)


def holds_program(text: str) -> bool:
    """Whether there is a Python program in a text."""
    code = find_source(text).code
    return bool(code) and is_program(code)


def latest(keys: tuple[str, ...] | list[str], number: int) -> tuple[str, ...]:
    """The last `number` of some keys, in order."""
    return tuple(keys[max(0, len(keys) - max(0, number)) :])
