"""Operators that an edit brings in are known by their exact name and carry a prompt that is text, or the edit is
refused with all that is wrong with each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, TypeVar

from ...operators.template import OperatorTemplate
from ..faults import Fault, fault
from .action import Addition, Delete, EditAction, Modify, SetPrompt
from .dsl import operator_text
from .limits import CanvasLimits
from .placing import SHOWN, named
from .spec import operators_of, with_operators, with_passes

Operators = Mapping[str, OperatorTemplate]
NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Not every database stores it; a carriage return is text."""
A = TypeVar("A", bound=Addition)


@dataclass
class Vetting:
    """One edit looked through, and what was found."""

    operators: Operators
    limits: CanvasLimits
    two_step: bool
    """Whether a prompt may still come."""
    faults: list[Fault] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def of(self, edit: EditAction) -> EditAction:
        """The edit with names as the registry has them, prompts without outer blanks, and passes for every loop."""
        match edit:
            case Delete():
                return edit
            case SetPrompt(prompt=prompt):
                return edit.model_copy(update={"prompt": self._prompt(prompt, "the prompt")})
            case Modify(operator=operator, prompt=prompt):
                name = None if operator is None else self._name(operator, "")
                text = None if prompt is None else self._prompt(prompt, "the prompt")
                return edit.model_copy(update={"operator": name, "prompt": text})
            case _:
                return with_passes(self._addition(edit), self.limits.default_passes)

    def _addition(self, edit: A) -> A:
        count = sum(1 for _ in operators_of(edit))
        numbers = iter(range(1, count + 1))

        def vetted(name: str, prompt: str | None) -> tuple[str, str | None]:
            who = f"operator {next(numbers)}: " if count > 1 else ""
            known = self._name(name, who)
            waits = prompt is None and self.two_step
            return known, None if waits else self._prompt(
                prompt or "", f"{who}the prompt of {operator_text(known[:SHOWN])}"
            )

        return with_operators(edit, vetted)

    def _name(self, name: str, who: str) -> str:
        known = exact_name(name, self.operators)
        if known is None:
            near = nearest(name, self.operators)
            meant = f"did you mean {near[0]}? " if near else ""
            expected = f"{meant}one of {', '.join(self.operators)}"
            self.faults.append(
                fault("policy", "unknown_operator", f"{who}no operator {named(name)}", expected=expected)
            )
            return name
        if known != name:
            self.notices.append(f"{named(name)} was read as {known}")
        return known

    def _prompt(self, prompt: str, whose: str) -> str:
        text = prompt.strip()
        self.faults += prompt_faults(text, whose, self.limits)
        return text


def prompt_faults(text: str, whose: str, limits: CanvasLimits) -> list[Fault]:
    """What is wrong with a prompt without outer blanks; `whose` begins the message."""
    faults = []
    length = f"{limits.min_prompt} to {limits.prompt} characters"
    if len(text) < limits.min_prompt:
        message = f"{whose} has {len(text)} characters" if text else f"{whose} is missing"
        faults.append(fault("policy", "prompt_too_short", message, expected=length))
    if len(text) > limits.prompt:
        faults.append(fault("policy", "prompt_too_long", f"{whose} has {len(text)} characters", expected=length))
    if bad := NO_TEXT.search(text):
        message = f"{whose} holds the character U+{ord(bad[0]):04X}, which is not text"
        faults.append(fault("policy", "not_text", message, expected="text"))
    return faults


def exact_name(name: str, operators: Operators) -> str | None:
    """The operator called `name`, or else the only one whose name differs in nothing but case and outer blanks."""
    if name in operators:
        return name
    alike = [known for known in operators if known.casefold() == name.strip().casefold()]
    return alike[0] if len(alike) == 1 else None


def nearest(name: str, operators: Operators) -> list[str]:
    """Names that resemble `name` but for case, most alike first; at most three."""
    shapes = {known.casefold().replace("_", ""): known for known in operators}
    shape = re.sub(r"[\s_-]", "", name[:SHOWN].casefold())
    return [shapes[one] for one in get_close_matches(shape, list(shapes), n=3, cutoff=0.5)]
