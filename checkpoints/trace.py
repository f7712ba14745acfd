"""What a person reads of a run: every decision with what was refused, every operation with what went in and came out,
in the order it happened, from the state alone."""

from __future__ import annotations

import json

from rich.console import Group
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from ..graphs.faults import Fault
from ..graphs.memory import PROBLEM, Entry
from ..graphs.operation import Operation
from ..graphs.state import State
from ..graphs.turn import Turn
from ..operators.context import excerpt
from .canvas import canvas_drawing
from .runner import faults_of

_MARKS = {"ok": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[yellow]–[/]"}
_STATUS = {"finished": "green", "best_effort": "yellow", "failed": "red", "running": "cyan"}


def trace_tree(state: State, thread_id: str, *, width: int = 400) -> Tree:
    """The run as a tree: turns, their operations, and the answer. Texts are cut to `width` characters."""
    run, status = state["run"], state["status"]
    entries = {one["key"]: one for one in state.get("memory", [])}
    title = f"[bold]{escape(thread_id)}[/] {run['system']}/{run['preset']} [{_STATUS[status]}]{status}[/]"
    tree = Tree(title, guide_style="dim")
    tree.add(_text("question", entries[PROBLEM]["content"], width))
    for name in ("analysis@1", "conversation@1"):
        if name in entries:
            tree.add(_text(entries[name]["kind"], entries[name]["content"], width))
    tree.add(f"[dim]policies {escape(', '.join(f'{k}={v}' for k, v in run['policies'].items()))} seed {run['seed']}[/]")
    operations = {one["id"]: one for one in state.get("operations", [])}
    for turn in state.get("turns", []):
        _add_turn(tree, turn, operations, entries, width)
    drawn = canvas_drawing(state)
    if drawn is not None:
        tree.add(drawn)
    _add_answer(tree, state, width)
    tree.add(f"[dim]{usage_line(state)}[/]")
    return tree


def _add_turn(tree: Tree, turn: Turn, operations: dict[str, Operation], entries: dict[str, Entry], width: int) -> None:
    name = f"turn {turn['turn']}" + (f" repair {turn['attempt']}" if turn["attempt"] else "")
    branch = tree.add(f"[bold]{name}[/] {turn['outcome']}: {escape(excerpt(turn['description'], width))}")
    for notice in turn["notices"]:
        branch.add(f"[dim]{escape(notice)}[/]")
    for one in turn["faults"]:
        branch.add(_fault(one))
    if turn["outcome"] != "plan":
        return
    ran = [id for id, one in operations.items() if one["turn"] == turn["turn"]]
    for id in dict.fromkeys([*ran, *turn["operations"]]):
        if id in operations:
            _add_operation(branch, operations[id], entries, width)
        else:
            branch.add(f"[cyan]…[/] {id} not run yet")
    for entry in entries.values():
        if entry["kind"] == "verdict" and entry["at"][0] == turn["turn"]:
            word = "stop" if entry["data"].get("stop") else "continue"
            branch.add(_text(f"verdict {word}", entry["content"], width))


def _add_operation(branch: Tree, one: Operation, entries: dict[str, Entry], width: int) -> None:
    cost = f"{one['usage']['calls']} calls, {one['usage']['input_tokens'] + one['usage']['output_tokens']} tokens"
    inputs = escape(", ".join(one["inputs"]))
    name = f"{_MARKS[one['status']]} [bold]{escape(one['operator'])}[/]"
    node = branch.add(f"{name} {inputs} → {one['output']} [dim]{one['id']}, {cost}[/]")
    node.add(_text("instruction", one["instruction"], width))
    if one["arguments"] is not None:
        node.add(_text("arguments", json.dumps(one["arguments"], ensure_ascii=False), width))
    if one["fault"] is not None:
        node.add(_fault(one["fault"]))
    made = entries.get(one["output"])
    if made is not None:
        shown = ("verdict", "passed") if made["kind"] == "code" else ("answer", "verdict", "passed")
        facts = [f"{name} {made[name]}" for name in shown if made[name] is not None]  # type: ignore[literal-required]
        node.add(_text(made["kind"], made["content"], width))
        if facts:
            node.add(f"[cyan]{escape(excerpt('; '.join(facts), width))}[/]")


def _add_answer(tree: Tree, state: State, width: int) -> None:
    stop, evidence = state.get("stop"), state.get("evidence")
    if stop is None:
        return
    node = tree.add(f"[bold]stop[/] by {stop['by']}: {escape(excerpt(stop['reason'], width))}")
    if state.get("answer") is not None:
        node.add(_text("answer", state["answer"] or "", width))
    if evidence is not None and evidence["candidate"] is not None:
        known = ", ".join(f"{name} {value}" for name, value in evidence.items() if value is not None)
        node.add(f"[dim]{escape(known)}[/]")


def _fault(one: Fault) -> str:
    expected = f" [dim](expected: {escape(one['expected'])})[/]" if one["expected"] else ""
    return f"[red]{one['kind']}/{escape(one['code'])}[/] {escape(one['message'])}{expected}"


def _text(label: str, content: str, width: int) -> Group:
    return Group(Text(f"{label}: ", style="dim", end=""), Text(excerpt(content.strip(), width)))


def usage_line(state: State) -> str:
    """Cost in one line."""
    usage, faults = state["usage"], faults_of(state)
    money = f", ${usage['money']:.4f}" if usage["money"] else ""
    tokens = f"{usage['input_tokens']}+{usage['output_tokens']} tokens"
    counts = f"{usage['turns']} turns, {usage['operations']} operations, {usage['calls']} calls, {tokens}{money}"
    return f"{counts}, {usage['seconds']:.2f} s, {len(faults)} faults"
