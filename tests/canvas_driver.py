"""What the tests of running canvases share: short names for nodes, a model that answers by what it reads, a plain loop
around `walk`, random canvases, and an oracle that runs a canvas by the letter of its laws."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowwright.errors import FlowwrightError
from flowwright.graphs.budget import no_usage
from flowwright.graphs.canvas.node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode
from flowwright.graphs.canvas.predicate import FAILS, Answered, Passes, Predicate, Support, VerdictIn, holds
from flowwright.graphs.canvas.walk import Walked, walk
from flowwright.graphs.faults import fault_of
from flowwright.graphs.memory import PROBLEM, Entry, Memory, entry, entry_of
from flowwright.graphs.operation import Operation, Planned, content_key
from flowwright.operators.flowsteer import FLOWSTEER_OPERATORS
from flowwright.operators.outcome import Outcome
from flowwright.operators.registry import Registry
from flowwright.operators.sandbox import Sandbox
from flowwright.operators.template import Job, OperatorTemplate
from hypothesis import strategies as st
from langchain_core.runnables import Runnable, RunnableLambda
from scripted import ScriptedModel, operator_of

QUESTION = "What is 6*7?"


def drawn(text: str, sides: int) -> int:
    return hashlib.sha256(text.encode()).digest()[0] % sides


def probe(job: Job) -> Runnable[dict[str, Any], Outcome]:
    """Builder of a test that passes or fails by what it is given."""

    async def tried(_: dict[str, Any]) -> Outcome:
        return Outcome(kind="test", content="probed", passed=drawn(repr(job.inputs), 2) == 0)

    def try_it(_: dict[str, Any]) -> Outcome:
        return Outcome(kind="test", content="probed", passed=drawn(repr(job.inputs), 2) == 0)

    return RunnableLambda(try_it, tried)


PROBE = OperatorTemplate("Probe", "Try it.", "anything", "test", probe, max_calls=0)
REGISTRY = Registry([(one, "tests") for one in (*FLOWSTEER_OPERATORS, PROBE)])


def reading_model() -> ScriptedModel:
    """Answers by the prompt alone: one of three answers, one of two verdicts."""

    def script(prompt: str, _: int) -> str:
        seen = f"Looked at {hashlib.sha256(prompt.encode()).hexdigest()[:12]}."
        match operator_of(prompt):
            case "REVIEW_SOLUTION" | "VERIFY":
                return f"{seen}\nVerdict: {('accept', 'reject')[drawn(prompt, 2)]}"
            case "SC_ENSEMBLE":
                return '{"choice": "B"}'
            case _:
                return f"{seen}\nAnswer: {drawn(prompt, 3)}"

    return ScriptedModel(script=script)


def op(number: int, operator: str, prompt: str = "do it") -> OperatorNode:
    return OperatorNode(id=f"node_{number}", operator=operator, prompt=prompt)


def fork(number: int, *branches: Sequence[Node]) -> ParallelNode:
    return ParallelNode(id=f"node_{number}", branches=tuple(map(tuple, branches)))


def when(
    number: int, condition: OperatorNode, then: Sequence[Node], otherwise: Sequence[Node] = (), test: Predicate = FAILS
) -> ConditionalNode:
    return ConditionalNode(
        id=f"node_{number}", condition=condition, when=test, then=tuple(then), otherwise=tuple(otherwise)
    )


def loop(number: int, times: int, *body: Node, until: Predicate | None = None) -> LoopNode:
    return LoopNode(id=f"node_{number}", body=tuple(body), times=times, until=until)


def canvas(*nodes: Node) -> Canvas:
    whole = Canvas(nodes=nodes)
    return whole.model_copy(update={"next_number": 1 + max([0, *(int(one.id[5:]) for one in whole.walk())])})


@dataclass
class Running:
    """A run of nothing but a canvas: what the roles of a graph do around `walk`, as a plain loop."""

    model: Any = field(default_factory=reading_model)
    sandbox: Sandbox | None = None
    question: str = QUESTION
    turn: int = 0
    operations: list[Operation] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    registry: Registry = field(default_factory=lambda: REGISTRY)

    def __post_init__(self) -> None:
        self.entries.append(entry(PROBLEM, "task", "user", self.question, at=[0, 0]))

    @property
    def memory(self) -> Memory:
        return Memory(self.entries, [one["output"] for one in self.operations])

    def look(self, whole: Canvas) -> Walked:
        return walk(whole, memory=self.memory, operations=self.operations, registry=self.registry, turn=self.turn)

    def run(self, whole: Canvas) -> Walked:
        """One turn: everything that can run, layer by layer."""
        self.turn += 1
        for _ in range(1_000):
            walked = self.look(whole)
            if not walked.ready:
                return walked
            for planned in walked.ready:
                self.apply(planned)
        raise AssertionError("the canvas never comes to an end")

    def apply(self, planned: Planned) -> None:
        template, memory = self.registry[planned["operator"]], self.memory
        inputs = {key: memory[key]["content"] for key in planned["inputs"]}
        record = Operation(
            **planned, turn=self.turn, version=template.version, status="ok", fault=None, usage=no_usage(), model=None, began=None,
            key=content_key(planned, version=template.version, inputs=inputs, model=None, seed=0),
        )  # fmt: skip
        try:
            operator = template.bind(planned["instruction"], inputs, model=self.model, sandbox=self.sandbox)
            self.entries.append(entry_of(operator.invoke({}), planned))
        except FlowwrightError as error:
            record["status"], record["fault"] = "failed", fault_of(error, planned["id"])
        self.operations.append(record)

    @property
    def paths(self) -> list[str | None]:
        return [one["node"] for one in self.operations]

    def made(self, path: str) -> Entry:
        """What the latest application at a path gave."""
        key = next(one["output"] for one in reversed(self.operations) if one["node"] == path)
        return self.memory[key]

    def answer(self, whole: Canvas) -> str | None:
        key = self.look(whole).result
        return None if key is None else self.memory[key]["answer"]


@dataclass(frozen=True)
class Application:
    """One operator applied once."""

    path: str
    operator: str
    instruction: str
    inputs: tuple[str, ...]
    output: str


@dataclass
class Oracle:
    """Runs a canvas depth first, one operator after the other, straight from the laws; knows nothing of `walk`,
    of `Flow` or of graphs."""

    model: Any = field(default_factory=reading_model)
    applications: list[Application] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    last: Outcome | None = None

    def run(self, nodes: Sequence[Node], at: Any = ((), ()), passes: str = "") -> Any:
        for node in nodes:
            at = getattr(self, node.kind)(node, at, passes)
        return at

    def operator(self, node: OperatorNode, at: Any, passes: str, suffix: str = "") -> Any:
        candidates, notes = at
        template = REGISTRY[node.operator]
        problem = (PROBLEM, QUESTION)
        if template.output == "test":
            inputs = (*candidates[-1:], problem)
        else:
            inputs = (problem, *candidates, *(() if node.operator in ("ScEnsemble", "Aggregate") else notes))
        outcome = template.bind(node.prompt, dict(inputs), model=self.model).invoke({})
        self.last = outcome
        self.versions[node.id] = self.versions.get(node.id, 0) + 1
        path = ".".join(part for part in (passes, suffix) if part)
        path = f"{node.id}#{path}" if path else node.id
        shown = tuple(text for _, text in inputs)
        self.applications.append(Application(path, node.operator, node.prompt, shown, outcome.content))
        made = (f"{node.id}@{self.versions[node.id]}", outcome.content)
        return ((made,), ()) if outcome.kind in ("answer", "code", "vote") else (candidates, (*notes, made))

    def parallel(self, node: ParallelNode, at: Any, passes: str) -> Any:
        ends = [self.run(branch, at, passes) for branch in node.branches]
        new = [one for candidates, _ in ends if candidates != at[0] for one in candidates]
        return tuple(new) or at[0], tuple(dict.fromkeys(note for _, notes in ends for note in notes))

    def conditional(self, node: ConditionalNode, at: Any, passes: str) -> Any:
        checked = self.operator(node.condition, at, passes)
        assert self.last is not None
        end = self.run(node.then if holds(node.when, self.last.model_dump()) else node.otherwise, checked, passes)
        if REGISTRY[node.condition.operator].output == "test" and end[0] != checked[0]:
            end = self.operator(node.condition, end, passes, "again")
        return end

    def loop(self, node: LoopNode, at: Any, passes: str) -> Any:
        for number in range(1, node.times + 1):
            at = self.run(node.body, at, f"{passes}.{number}" if passes else str(number))
            assert self.last is not None
            if node.until is not None and holds(node.until, self.last.model_dump()):
                break
        return at


ANYWHERE = (
    "Plan",
    "Custom",
    "AnswerGenerate",
    "Review",
    "Verify",
    "Revise",
    "ScEnsemble",
    "Aggregate",
    "Format",
    "Probe",
)
PREDICATES = st.sampled_from(
    [FAILS, Passes(), VerdictIn(among=("accept",)), Support(at_least=0.5), Answered(), Answered(negate=True)]
)


def canvases(depth: int = 3, breadth: int = 3) -> st.SearchStrategy[Canvas]:
    """Canvases that can run to their end: a candidate comes first, so that nobody lacks one."""

    @st.composite
    def build(draw: Callable[..., Any]) -> Canvas:
        numbers = itertools.count(1)

        def operator() -> OperatorNode:
            number = next(numbers)
            return op(number, draw(st.sampled_from(ANYWHERE)), f"do {number} {{x}} </context>")

        def node(depth: int) -> Node:
            kind = draw(st.sampled_from(["operator", "parallel", "conditional", "loop"])) if depth else "operator"
            match kind:
                case "parallel":
                    return fork(next(numbers), *(nodes(depth - 1, 1) for _ in range(draw(st.integers(2, breadth)))))
                case "conditional":
                    id, condition, test = next(numbers), operator(), draw(PREDICATES)
                    return when(id, condition, nodes(depth - 1, 1), nodes(depth - 1, 0), test)
                case "loop":
                    until = draw(st.one_of(st.none(), PREDICATES))
                    return loop(next(numbers), draw(st.integers(1, 3)), *nodes(depth - 1, 1), until=until)
                case _:
                    return operator()

        def nodes(depth: int, least: int) -> list[Node]:
            return [node(depth) for _ in range(draw(st.integers(least, 2)))]

        return canvas(op(next(numbers), "Custom", "begin"), *nodes(depth, 0))

    return build()
