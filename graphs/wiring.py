"""A design becomes a plan only as a whole: every name resolved to one exact memory key, edges taken from key use,
cycles and unknown keys refused together, before anything runs. Ids and keys are the runtime's."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from ..operators.registry import Registry
from .decision import Plan
from .design import OperatorDesign, StageDesign
from .faults import Fault, Refused, fault
from .memory import ALIASES, Memory
from .operation import Planned
from .system import Scene


def wire(design: StageDesign, scene: Scene) -> Plan:
    """The plan of `design`, operations in an order in which producers come before consumers. Raises Refused with
    every unmet constraint at once."""
    outputs, faults = assign_keys(design, scene.memory)
    turn = scene.state["run"]["turn"]
    inputs: list[list[str]] = []
    for index, operator in enumerate(design.operators, start=1):
        faults += operator_faults(operator, scene.registry, index)
        resolved, unresolved = resolve_inputs(operator, outputs, scene.memory, index)
        inputs.append(resolved)
        faults += unresolved
    order = in_order([outputs[one.params.output_key] for one in design.operators], inputs, faults)
    if faults:
        raise Refused(faults)
    planned = [
        planned_operation(design.operators[position], inputs[position], outputs, [turn, index])
        for index, position in enumerate(order, start=1)
    ]
    return Plan(planned, design.stage_description)


def planned_operation(operator: OperatorDesign, inputs: list[str], outputs: dict[str, str], at: list[int]) -> Planned:
    """The operation, numbered by its place in the order in which the stage runs."""
    params = operator.params
    return Planned(
        id=f"op_{at[0]}_{at[1]}", at=at, operator=params.instruction_type, instruction=params.input_usage,
        inputs=inputs, output=outputs[params.output_key], arguments=None, node=None,
    )  # fmt: skip


def assign_keys(design: StageDesign, memory: Memory) -> tuple[dict[str, str], list[Fault]]:
    """The memory key of each output name. A name used twice in one stage is refused: its readers would be ambiguous."""
    outputs: dict[str, str] = {}
    faults: list[Fault] = []
    for operator in design.operators:
        name = operator.params.output_key
        if name in outputs:
            message = f"two operators of the stage have the output_key {name!r}"
            faults.append(fault("policy", "duplicate_output", message, expected="a different name for each output"))
        elif name in (*ALIASES, *ALIASES.values()):
            message = f"the output_key {name!r} is the problem's own"
            faults.append(fault("policy", "reserved_output", message, expected="another name"))
        outputs.setdefault(name, memory.next_key(name))
    return outputs, faults


def operator_faults(operator: OperatorDesign, registry: Registry, index: int) -> list[Fault]:
    """What is wrong with the choice of operator and the number of its inputs."""
    name = operator.params.instruction_type
    if name not in registry:
        near = registry.nearest(name)
        meant = f"did you mean {near[0]}? " if near else ""
        expected = f"{meant}one of {', '.join(registry)}"
        return [fault("policy", "unknown_operator", f"operator {index}: no operator {name!r}", expected=expected)]
    template, given = registry[name], len(operator.params.input_keys)
    most = template.max_inputs
    if given < template.min_inputs or (most is not None and given > most):
        bounds = f"at least {template.min_inputs}" if most is None else f"{template.min_inputs} to {most}"
        message = f"operator {index}: {name} got {given} input_keys"
        return [fault("policy", "input_count", message, expected=f"{bounds} ({template.accepts})")]
    return []


def resolve_inputs(
    operator: OperatorDesign, outputs: dict[str, str], memory: Memory, index: int
) -> tuple[list[str], list[Fault]]:
    """Exact keys of an operator's inputs. A name produced in this stage means this stage's version, except for the
    operator that produces it: that one reads the version before."""
    resolved: list[str] = []
    faults: list[Fault] = []
    for reference in operator.params.input_keys:
        name = reference.strip().removeprefix("<<").removesuffix(">>").strip()
        own = name == operator.params.output_key
        key = outputs[name] if name in outputs and not own else memory.resolve(reference)
        if key is None and own:
            key = outputs[name]
        if key is None:
            known = [*dict.fromkeys([one["key"] for one in memory.entries][-40:]), *outputs]
            message = f"operator {index}: no memory entry {reference!r}"
            faults.append(fault("policy", "unknown_key", message, expected=f"one of {', '.join(known)}"))
        elif key not in resolved:
            resolved.append(key)
    return resolved, faults


def in_order(outputs: list[str], inputs: list[list[str]], faults: list[Fault]) -> list[int]:
    """Positions of the operators with producers first; a cycle is added to `faults`."""
    producers = {output: position for position, output in enumerate(outputs)}
    edges = {position: [producers[key] for key in keys if key in producers] for position, keys in enumerate(inputs)}
    try:
        return list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        names = " -> ".join(outputs[position] for position in reversed(error.args[1]))
        message = f"the operators need each other's results: {names}"
        faults.append(fault("policy", "cycle", message, expected="inputs that exist or are produced before"))
        return []
