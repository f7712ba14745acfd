"""The data card: what is in the files, where it comes from, and what was left out, in Markdown. Nothing in it depends
on the day it was written, so the same runs make the same card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .account import meaning_of
from .columns import Column
from .layout import Export
from .request import PRESETS

_MEANINGS = {
    "sft": "replies to imitate: TRL `SFTTrainer`, conversational prompt-completion",
    "kto": "replies with one bit each: TRL `KTOTrainer`, conversational unpaired preference",
    "dpo": "pairs of replies to one prompt: TRL `DPOTrainer`, conversational preference with explicit prompt",
    "grpo": "rows of tokens as they were sampled: columns as in TRL's `GRPOTrainer` `rollout_func`",
    "atif": "whole trajectories: Agent Trajectory Interchange Format 1.7",
}


def card(
    title: str, export: Export, columns: Sequence[Column], files: Mapping[str, Path], hashes: Mapping[str, str]
) -> str:
    """The text of the card. `files` by split; `hashes` by file name."""
    request, account = export.request, export.account
    told = request.as_json()
    lines = [f"# {title}", "", f"Exported by Flowwright: {_MEANINGS[request.format]}."]
    if request.preset is not None:
        lines.append(f"Preset `{request.preset}`: {PRESETS[request.preset].meaning}.")
    lines += ["", "- License: not stated (the data is yours; say here under which terms others may use it)"]
    lines += [f"- Newest checkpoint read: {account.latest or 'unknown'}", f"- Runs read: {account.runs}", ""]
    split = sorted(files)
    lines += _table(
        ("file", "rows", "sha256"), ((files[one].name, account.written[one], hashes[files[one].name]) for one in split)
    )
    lines += ["", "## What was asked for", ""]
    lines += [f"- {name}: `{json.dumps(value, ensure_ascii=False)}`" for name, value in told.items()]
    lines += ["", "Splits are by task: all runs, samples and forks of a task are in the same file.", ""]
    lines += ["## Where the rows come from", ""]
    rows = [(*place, count) for place, count in sorted(account.calls.items())]
    lines += _table(("system", "role", "policy", "version", "rows"), rows)
    if account.labels:
        lines += ["", *_table(("label", "rows"), sorted(account.labels.items()))]
    least, total, most, number = account.rewards
    if number:
        name = request.reward or ", ".join(sorted(account.reward_names))
        lines += ["", f"Reward `{name}` over {number} rows: mean {total / number:.4g}, least {least:g}, most {most:g}."]
    lines += [
        "",
        "## Columns",
        "",
        *_table(("column", "type", "meaning"), ((c.name, c.kind, c.meaning) for c in columns)),
    ]
    lines += ["", "## Ledger", "", "Calls that were read:", ""]
    calls = ((name, number, meaning_of(name, meaning)) for name, number, meaning in export.ledger.lines())
    lines += _table(("count", "number", "meaning"), calls)
    lines += ["", "Rows that were made of them:", "", *_table(("count", "number", "meaning"), account.lines())]
    return "\n".join(lines) + "\n"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [_line(names), _line(["---"] * len(names)), *(_line(row) for row in rows)]


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(" ".join(str(cell).replace("|", "\\|").split()) for cell in cells) + " |"
