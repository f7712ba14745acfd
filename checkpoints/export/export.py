"""An export is the same bytes for the same runs and the same request, in memory that one task's runs need, and either
whole or not there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from ...errors import UsageError
from ..errors import DatabaseLockedError, is_lock
from ..trajectories.ledger import Ledger
from ..trajectories.load import load_trajectories
from ..trajectories.selection import EVERYTHING, Selection
from ..trajectories.trajectory import TaskTree
from . import atif, dpo, grpo, kto, sft
from .account import Account
from .card import card
from .columns import Row
from .exported import Exported
from .files import Files, sha256_of
from .jsonl import JsonlFile
from .layout import Export, Layout
from .parquet import ParquetFile, check_pyarrow
from .redaction import Redactor
from .request import Request, requested
from .reward import SUCCESS_AT
from .spool import Spool

LAYOUTS: dict[str, Layout] = {
    "sft": sft.LAYOUT, "kto": kto.LAYOUT, "dpo": dpo.LAYOUT, "grpo": grpo.LAYOUT, "atif": atif.LAYOUT,
}  # fmt: skip
Listener = Callable[[Account], Any]


def export(
    saver: BaseCheckpointSaver[Any],
    out: str | Path,
    *,
    format: str | None = None,
    selection: Selection = EVERYTHING,
    preset: str | None = None,
    reward: str | None = None,
    success_at: float = SUCCESS_AT,
    negatives: bool | None = None,
    split: Iterable[str] = (),
    seed: int = 0,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> Exported:
    """Write the selected runs of any saver to `out` (`.jsonl` or `.parquet`) for training.

    `format` is sft, kto, dpo, grpo or atif; a `preset` (dyflow-phase1, dyflow-phase2) implies it. `reward` names the
    reward that judges runs (None: for grpo, dpo and presets the only one a run has; sft and kto then go by whether the
    runtime accepted the reply); from `success_at` on it is a success. `negatives`: whether kto and dpo have refused
    replies (None: yes, except in a preset). `split` holds `NAME=SHARE` texts: shares of *tasks*, each in a file of its
    own. `listener` hears of the counts after each task. Raises UsageError for anything of this that cannot be done,
    for a selection without rows and for a damaged file; then nothing is written.
    """
    request = requested(
        format, preset=preset, selection=selection, reward=reward, success_at=success_at, negatives=negatives,
        split=split, seed=seed,
    )  # fmt: skip
    work = _Work(request, Files(Path(out), request.split.names, overwrite=overwrite))
    try:
        return work.done(saver, listener)
    except sqlite3.Error as error:
        if is_lock(error):
            raise DatabaseLockedError("the store of runs", 0) from error
        raise UsageError(f"the store of runs cannot be read ({error})", fix="Restore it from a copy") from error


class _Work:
    """One export from request to files."""

    def __init__(self, request: Request, files: Files) -> None:
        self.request, self.files, self.layout = request, files, LAYOUTS[request.format]
        self.state = Export(request, Ledger(), Account(), Redactor())
        self.columns = self.layout.columns(request)
        if files.out.suffix == ".parquet":
            if not self.layout.parquet:
                raise UsageError(f"{request.format} is JSON of no fixed form", fix="Name a .jsonl file")
            check_pyarrow()
        self.open: dict[str, JsonlFile | ParquetFile] = {}

    def done(self, saver: BaseCheckpointSaver[Any], listener: Listener | None) -> Exported:
        account = self.state.account
        with self.files:
            try:
                self._fill(saver, listener)
            finally:
                for file in self.open.values():
                    file.close()
            account.redacted.update(self.state.redactor.counts)
            if not account.rows:
                raise self._empty()
            return self._publish()

    def _fill(self, saver: BaseCheckpointSaver[Any], listener: Listener | None) -> None:
        if not self.layout.key:
            for split, row in self._rows(saver, listener):
                self._file(split).write(row)
                self._count(split, row.get("label"), self._facts(row))
            return
        with closing(Spool(self.files.folder, self.layout.key, self.request.seed)) as spool:
            for split, row in self._rows(saver, listener):
                if not spool.add(split, row, self._facts(row)):
                    self.state.lose_made("duplicate")
            for kept in spool.kept(self.state.lose_made, balanced=self.request.balanced):
                self._file(kept.split).write_line(kept.line)
                self._count(kept.split, kept.label if self.request.format == "kto" else None, kept.facts)

    def _rows(self, saver: BaseCheckpointSaver[Any], listener: Listener | None) -> Iterator[tuple[str, Row]]:
        """Every row that is made, with its split, task by task."""
        for tree in load_trajectories(saver, self.request.selection, self.state.ledger):
            self._look(tree)
            split = self.request.split.of(tree.key)
            for row in self.layout.rows(tree, self.state):
                yield split, row
            if listener is not None:
                listener(self.state.account)

    def _look(self, tree: TaskTree) -> None:
        account = self.state.account
        for run in tree.trajectories:
            account.runs += 1
            account.reward_names.update(run.rewards)
            account.latest = max(account.latest, run.updated or "")

    def _file(self, split: str) -> JsonlFile | ParquetFile:
        if split not in self.open:
            path = self.files.unfinished(self.files.path(split))
            self.open[split] = ParquetFile(path, self.columns) if path.suffix == ".parquet" else JsonlFile(path)
        return self.open[split]

    def _facts(self, row: Row) -> list[str | float]:
        """What the card says of a row: system, role, policy, version and, where it has one, its reward."""
        if self.request.format == "atif":
            agent = row["agent"]
            return [agent["name"].removeprefix("flowwright/"), "", agent.get("model_name", ""), ""]
        names = ("system", "role", *(("chosen_policy", "chosen_version") if "chosen" in row else ("policy", "version")))
        return [*(row[name] for name in names), *([row["reward"]] if "reward" in row else [])]

    def _count(self, split: str, label: bool | None, facts: list[Any]) -> None:
        self.state.account.wrote(split, *facts[:4])
        if label is not None:
            self.state.account.labels[f"{split} {'good' if label else 'bad'}".strip()] += 1
        if len(facts) > 4:
            self.state.account.rewarded(facts[4])

    def _publish(self) -> Exported:
        state, files = self.state, self.files
        paths = {split: files.path(split) for split in sorted(self.open)}
        hashes = {path.name: sha256_of(files.unfinished(path)) for path in paths.values()}
        told = {"request": self.request.as_json(), "files": hashes, "calls": state.ledger.as_json()}
        told["rows"] = state.account.as_json()
        files.unfinished(files.ledger).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
        text = card(files.out.stem, state, self.columns, paths, hashes)
        files.unfinished(files.card).write_text(text, "utf-8")
        files.publish([*paths.values(), files.ledger, files.card])
        counts = {split: state.account.written[split] for split in self.request.split.names}
        return Exported(
            self.request.format, paths, counts, hashes, files.card, files.ledger, state.ledger, state.account
        )

    def _empty(self) -> UsageError:
        """Says what was looked at and where it all went."""
        account, ledger = self.state.account, self.state.ledger
        looked = f"{account.runs} runs were read and {ledger.unselected} left out by the filters"
        lost = [f"{number} {reason}" for reason, number in sorted(ledger.dropped.items())]
        damaged = f"{len(ledger.damaged_threads)} threads are damaged" if ledger.damaged_threads else ""
        known = ", ".join(sorted(account.reward_names))
        rewards = f"rewards there are: {known}" if known else "no run has a reward" if self.request.rated else ""
        told = "; ".join(
            part for part in (looked, f"calls: {', '.join(lost)}" if lost else "", damaged, rewards) if part
        )
        return UsageError(
            f"there is nothing to export as {self.request.format}: {told}",
            fix="Widen the filters, or name another reward",
        )
