"""An action in tags is read from its tags alone: reasoning is never searched, no word outside a tag counts, and the
text of a prompt or an answer is data, whatever it holds. Two actions, a tag that is not closed and a field that the
action does not have are refused, because each leaves open what was meant (FlowSteer, arXiv 2602.01664)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..faults import Fault, Refused, fault
from .action import Action
from .dsl import DONE
from .placing import named
from .tag_forms import FORMS, NUMBER, SPAN, STRUCTURES, Fields, Form, plain_word
from .tag_text import Reply, taken_apart
from .wire import meant_action


@dataclass(frozen=True)
class PromptText:
    """A reply that is the prompt which was asked for."""

    text: str
    """As it was written, without reasoning and without the tags around it."""


def read_tags(text: str, *, awaiting: bool) -> Action | PromptText:
    """What a reply in tags proposes. `awaiting`: the prompt of an operator was asked for, so a reply without an action
    is that prompt. Raises Refused with everything that is wrong with it."""
    reply = taken_apart(text)
    if reply.thought and not reply.said.strip():
        expected = "the text of the prompt after the reasoning" if awaiting else "an action after the reasoning"
        raise Refused([fault("policy", "think_only", "the reply is nothing but reasoning", expected=expected)])
    if not awaiting:
        return _action(reply)
    if not reply.all("action") and "action" not in reply.broken:
        return _prompt(reply)
    try:
        return _action(reply)
    except Refused as refused:
        expected = "the text of the prompt, or <action>cancel</action>"
        first = fault("policy", "expected_prompt", "an action came while a prompt is awaited", expected=expected)
        raise Refused([first, *refused.faults]) from refused


def _prompt(reply: Reply) -> PromptText:
    given = reply.all("prompt")
    if len(given) > 1:
        raise Refused([fault("policy", "duplicate_field", f"{len(given)} <prompt> tags", expected="one")])
    if "prompt" in reply.broken:
        message, expected = "the tag <prompt> is not closed, or not opened", "<prompt>...</prompt>, or the text alone"
        raise Refused([fault("policy", "malformed_xml", message, expected=expected)])
    return PromptText(given[0] if given else reply.said.strip())


def _action(reply: Reply) -> Action:
    """The one action of the reply."""
    names = reply.all("action")
    fields = dict(reply.fields)
    if not names and reply.opened:
        raise Refused(_malformed(replace(reply, broken=["action", *reply.broken]), FORMS["add"].example))
    try:
        form = _form(names, fields)
    except Refused as refused:
        raise Refused([*_malformed(reply, FORMS["add"].example), *refused.faults]) from refused
    faults = [*_malformed(reply, form.example), *_unfit(form, reply), *_unreadable(fields)]
    if faults:
        raise Refused(faults)
    return form.build(fields)


def _form(names: list[str], fields: Fields) -> Form:
    """How the action is written that is meant. Raises Refused unless there is just one, and a known one."""
    if len(names) > 1:
        message = f"{len(names)} actions in one reply: {', '.join(named(one) for one in names[:4])}"
        raise Refused([fault("policy", "two_actions", message, expected="one action")])
    if not names:
        raise Refused([fault("policy", "no_action", "the reply holds no action", expected=FORMS["add"].example)])
    word = plain_word(names[0])
    if word == "add" and "structure" in fields:
        return _structure(fields["structure"])
    if word in FORMS:
        return FORMS[word]
    meant = meant_action(word)
    expected = f"{f'did you mean {meant}? ' if meant else ''}one of {', '.join(FORMS)}"
    raise Refused([fault("policy", "unknown_action", f"no action {named(names[0])}", expected=expected)])


def _structure(name: str) -> Form:
    if (word := plain_word(name)) in STRUCTURES:
        return FORMS[word]
    message = f"no structure {named(name)}"
    raise Refused([fault("policy", "unknown_structure", message, expected=f"one of {', '.join(STRUCTURES)}")])


def _malformed(reply: Reply, example: str) -> list[Fault]:
    return [
        fault("policy", "malformed_xml", f"the tag <{name}> is not closed, or not opened", expected=example)
        for name in dict.fromkeys(reply.broken)
    ]


def _unfit(form: Form, reply: Reply) -> Iterator[Fault]:
    """Fields that are missing, too many, or given twice."""
    given = [name for name, _ in reply.fields if name != "action"]
    for name in form.required:
        if name not in given and name not in reply.broken:
            yield fault("policy", "missing_field", f"no <{name}> tag", expected=form.example)
    for name in dict.fromkeys(given):
        if given.count(name) > 1:
            yield fault("policy", "duplicate_field", f"{given.count(name)} <{name}> tags", expected="one")
        if name not in (*form.required, *form.optional):
            message = f"this action has no <{name}> tag"
            yield fault("policy", "unexpected_field", message, expected=form.example)


def _unreadable(fields: Fields) -> Iterator[Fault]:
    """Fields whose text cannot be what the field is for."""
    for name in ("count", "position"):
        if name in fields and not NUMBER.fullmatch(fields[name]):
            message = f"<{name}> is {named(fields[name])}, which is no whole number"
            yield fault("policy", "not_a_number", message, expected="a whole number")
    if "span" in fields and not SPAN.fullmatch(fields["span"]):
        message = f"<span> is {named(fields['span'])}"
        yield fault("policy", "not_a_span", message, expected="two numbers: the first character, and the one after")
    if plain_word(fields.get("true", "")) == DONE:
        expected = "an operator in <true>; it runs where the condition fails, <false> where it passes"
        yield fault("policy", "empty_branch", "the true branch cannot be done: nothing would run", expected=expected)
