"""A request is checked whole before a run is read: what it asks for can be done, or nothing is begun."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Final

from ...errors import UsageError
from ..trajectories.selection import Selection
from .reward import SUCCESS_AT
from .split import Split

FORMATS: Final = ("sft", "kto", "dpo", "grpo", "atif")


@dataclass(frozen=True)
class Request:
    """What is to be written, and how."""

    format: str
    selection: Selection = field(default_factory=Selection)
    reward: str | None = None
    """Name of the reward; None: the only one that a run has."""
    judged: bool = False
    """sft, kto: replies are good where their run succeeded, by its reward. False: where the runtime accepted them."""
    success_at: float = SUCCESS_AT
    """Least reward of a success."""
    negatives: bool = True
    """kto, dpo: whether replies that were refused or could not be read are in it."""
    balanced: bool = False
    """kto: as many good replies as bad ones in each split, by seeded subsampling."""
    split: Split = field(default_factory=Split)
    seed: int = 0
    preset: str | None = None

    @property
    def rated(self) -> bool:
        """Whether rows need the reward of their run."""
        return self.judged or self.format == "grpo"

    def as_json(self) -> dict[str, Any]:
        """What was asked for, JSON-native, for card and ledger."""
        return {
            "format": self.format, "preset": self.preset, "filters": self.selection.as_json(), "reward": self.reward,
            "judged_by_reward": self.judged, "success_at": self.success_at, "negatives": self.negatives,
            "balanced": self.balanced, "split": self.split.as_json(), "seed": self.seed,
        }  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """A published training set."""

    format: str
    meaning: str
    """One line."""
    balanced: bool = False
    systems: tuple[str, ...] = ("dyflow",)
    roles: tuple[str, ...] = ("designer",)


PRESETS: Final = {
    "dyflow-phase1": Preset("sft", "designs of successful runs, each once (DyFlow, arXiv 2509.26062, phase 1)"),
    "dyflow-phase2": Preset(
        "kto", "designs with the success of their run, as many good as bad (DyFlow, phase 2)", balanced=True
    ),
}


def requested(
    format: str | None,
    *,
    preset: str | None,
    selection: Selection,
    reward: str | None,
    success_at: float,
    negatives: bool | None,
    split: Iterable[str],
    seed: int,
) -> Request:
    """The request that these arguments make. `negatives` None: as format and preset have it, which for the presets is
    no, as published. Raises UsageError for an unknown format, preset or split, and for two that do not go together."""
    if preset is not None and preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    chosen = PRESETS[preset] if preset is not None else None
    if format is None and chosen is None:
        raise UsageError("no format is given", fix=f"Give one of {', '.join(FORMATS)}, or a preset")
    if format is not None and format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if chosen is not None and format not in (None, chosen.format):
        raise UsageError(f"the preset {preset} is {chosen.format}, not {format}", fix="Leave the format out")
    request = Request(
        str(format or (chosen and chosen.format)), selection, reward, judged=reward is not None, success_at=success_at,
        split=Split.parsed(split, seed), seed=seed, preset=preset, negatives=chosen is None,
    )  # fmt: skip
    if chosen is not None:
        narrowed = replace(
            selection, systems=selection.systems or chosen.systems, roles=selection.roles or chosen.roles
        )
        request = replace(request, selection=narrowed, judged=True, balanced=chosen.balanced)
    return request if negatives is None else replace(request, negatives=negatives)


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not among the known ones, with the nearest."""
    known = [*known]
    near = get_close_matches(name.casefold(), known, n=1, cutoff=0.4)
    meant = f"Did you mean {near[0]}? " if near else ""
    return UsageError(f"there is no {kind} {name!r}", fix=f"{meant}There are {', '.join(known)}")
