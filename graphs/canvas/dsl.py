"""The text form of a canvas names every operator, every structure and every predicate; prompts and ids are left out.
What is printed is read back to the same structure, and what is not understood is refused: nothing is dropped.

    A -> [B, (C -> D)] -> Review when verdict accept|reject ? E : done -> (F -> Test) * 3 until passes

`done` is the empty branch; `when not passes`, what a published conditional asks, is not printed (FlowSteer,
arXiv 2602.01664)."""

from __future__ import annotations

import itertools
import json
import re
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from ...errors import UsageError
from .change import node_of
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode, Sequence
from .predicate import FAILS, Answered, Passes, Predicate, Support, VerdictIn
from .spec import ConditionalSpec, LoopSpec, OperatorSpec, ParallelSpec, SequenceSpec

DONE: Final = "done"
RESERVED: Final = frozenset({DONE, "when", "until"})
PLAIN: Final = re.compile(r"[A-Za-z_][\w./]*(?:-(?!>)[\w./]*)*")
"""An operator's name that needs no quotes."""
TOKEN: Final = re.compile(
    rf"""\s*(?:(?P<mark>->|[\[\](),?:*|])|(?P<name>{PLAIN.pattern})|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)"""
    r"""|(?P<quoted>"(?:[^"\\]|\\.)*+"))"""
)
PASSES: Final = re.compile(r"[1-9]\d{0,5}")
DEEPEST: Final = 30
"""Brackets within brackets that are read."""
PREDICATE: Final[TypeAdapter[Predicate]] = TypeAdapter(Predicate)


def dsl_of(canvas: Canvas) -> str:
    """The workflow in one line; empty: there are no nodes."""
    return sequence_text(canvas.nodes)


def sequence_text(nodes: Sequence) -> str:
    """Nodes one after another."""
    return " -> ".join(node_text(node) for node in nodes)


def node_text(node: Node) -> str:
    """One node and all that is in it."""
    match node:
        case OperatorNode(operator=operator):
            return operator_text(operator)
        case ParallelNode(branches=branches):
            return f"[{', '.join(_branch(branch) for branch in branches)}]"
        case ConditionalNode(condition=condition, when=when, then=then, otherwise=otherwise):
            asked = "" if when == FAILS else f" when {predicate_text(when)}"
            return f"{operator_text(condition.operator)}{asked} ? {_atom(then)} : {_atom(otherwise)}"
        case LoopNode(body=body, times=times, until=until):
            end = "" if until is None else f" until {predicate_text(until)}"
            return f"({sequence_text(body)}) * {times}{end}"


def operator_text(name: str) -> str:
    """An operator's name, in quotes unless it is a plain word."""
    return name if PLAIN.fullmatch(name) and name not in RESERVED else json.dumps(name)


def predicate_text(predicate: Predicate) -> str:
    """A predicate in words."""
    match predicate:
        case Passes():
            text = "passes"
        case VerdictIn(among=among):
            text = f"verdict {'|'.join(among)}"
        case Support(at_least=share):
            text = f"support {share!r}"
        case Answered():
            text = "answered"
    return f"not {text}" if predicate.negate else text


def _branch(nodes: Sequence) -> str:
    return node_text(nodes[0]) if len(nodes) == 1 else _grouped(nodes)


def _atom(nodes: Sequence) -> str:
    """A sequence where one unit is wanted."""
    if not nodes:
        return DONE
    alone = len(nodes) == 1 and not isinstance(nodes[0], ConditionalNode)
    return node_text(nodes[0]) if alone else _grouped(nodes)


def _grouped(nodes: Sequence) -> str:
    return f"({sequence_text(nodes)})"


class DslError(UsageError):
    """A text that is not a workflow."""


def canvas_of(text: str) -> Canvas:
    """The workflow that `text` tells, with new ids and empty prompts. Raises DslError, which names the place."""
    numbers = itertools.count(1)
    nodes = tuple(node_of(spec, numbers) for spec in _Reader(text).workflow())
    return Canvas(nodes=nodes, next_number=next(numbers))


class _Reader:
    """Reads tokens from the left; each method but the first few is one rule of the form."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def workflow(self) -> SequenceSpec:
        nodes = self.sequence() if self.next.text else ()
        self.expect("")
        return nodes

    def take(self) -> Token:
        token = self.next
        self.at += token.kind != "end"
        return token

    def found(self, text: str) -> bool:
        """Whether `text` comes next, which is then taken."""
        if self.next.text != text:
            return False
        self.take()
        return True

    def expect(self, text: str) -> None:
        if not self.found(text):
            raise self.wrong(repr(text) if text else "the end")

    def wrong(self, wanted: str) -> DslError:
        token = self.next
        there = repr(token.text[:20]) if token.text else "the end"
        return DslError(f"character {token.start + 1} of the workflow: {there} where {wanted} should be")

    def sequence(self) -> SequenceSpec:
        nodes = self.stage()
        while self.found("->"):
            nodes += self.stage()
        return nodes

    def stage(self) -> SequenceSpec:
        unit = self.unit()
        when = self.predicate() if self.found("when") else None
        if when is None and self.next.text != "?":
            return unit
        if len(unit) != 1 or not isinstance(unit[0], OperatorSpec):
            raise self.wrong("the branches of one operator, and no more,")
        self.expect("?")
        then = self.unit()
        self.expect(":")
        otherwise = () if self.found(DONE) else self.unit()
        return (ConditionalSpec(condition=unit[0], when=when or FAILS, then=then, otherwise=otherwise),)

    def unit(self) -> SequenceSpec:
        if self.depth > DEEPEST:
            raise self.wrong("less nesting")
        self.depth += 1
        try:
            if self.found("["):
                return (self.parallel(),)
            return self.group() if self.found("(") else (self.operator(),)
        finally:
            self.depth -= 1

    def operator(self) -> OperatorSpec:
        token = self.next
        if token.kind not in ("name", "quoted") or token.text in RESERVED:
            raise self.wrong("an operator")
        self.take()
        return OperatorSpec(operator=token.text if token.kind == "name" else self.unquoted(token))

    def unquoted(self, token: Token) -> str:
        try:
            return str(json.loads(token.text))
        except ValueError as error:
            raise DslError(f"character {token.start + 1} of the workflow: {error}") from error

    def parallel(self) -> ParallelSpec:
        branches = [self.stage()]
        while self.found(","):
            branches.append(self.stage())
        self.expect("]")
        return ParallelSpec(branches=tuple(branches))

    def group(self) -> SequenceSpec:
        body = self.sequence()
        self.expect(")")
        if not self.found("*"):
            return body
        times = self.next.text
        if not PASSES.fullmatch(times):
            raise self.wrong("a number of passes")
        self.take()
        until = self.predicate() if self.found("until") else None
        return (LoopSpec(body=body, times=int(times), until=until),)

    def predicate(self) -> Predicate:
        negate = self.found("not")
        start, test = self.next, self.take().text
        fields: dict[str, object] = {"test": test, "negate": negate}
        if test == "verdict":
            fields["among"] = [self.take().text]
            while self.found("|"):
                fields["among"] = [*fields["among"], self.take().text]  # type: ignore[misc]
        elif test == "support":
            fields["at_least"] = self.take().text
        try:
            return PREDICATE.validate_python(fields)
        except ValidationError as error:
            told = error.errors(include_url=False)[0]["msg"]
            raise DslError(
                f"character {start.start + 1} of the workflow: no predicate {test[:20]!r}: {told}"
            ) from error


class Token(NamedTuple):
    """One word or mark."""

    kind: str
    text: str
    """Empty: the end."""
    start: int


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    position = 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise DslError(
                f"character {position + 1} of the workflow: {text[position : position + 20]!r} is no part of one"
            )
        found.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return [*found, Token("end", "", len(text))]
