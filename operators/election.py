"""An election accounts for every candidate: voted, abstained or failed; its outcome carries the whole count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import JsonValue

from ..errors import FlowwrightError
from .context import excerpt
from .outcome import Outcome
from .votes import Tally

TieBreak = Literal["model", "first"]
"""Who decided between tied answers: a model, or the order in which they came."""
Sample = Outcome | Exception
SHOWN: Final = 80
"""Characters of an answer shown in the vote line."""


@dataclass(frozen=True)
class Election:
    """Several attempts at one question and the count over their answers."""

    samples: list[Sample]
    tally: Tally
    noun: str = "samples"

    @classmethod
    def of(cls, samples: list[Sample], noun: str = "samples") -> Election:
        """Count the answers of `samples`; a failed one abstains."""
        answers = [sample.answer if isinstance(sample, Outcome) else None for sample in samples]
        return cls(samples, Tally.of(answers), noun)

    def candidates(self) -> list[int]:
        """One sample for each leading answer, or every sample that did not fail if none states an answer."""
        if not self.tally.leaders:
            return [number for number, sample in enumerate(self.samples) if isinstance(sample, Outcome)]
        return [min(self.tally.voters(form), key=self._is_cut) for form in self.tally.leaders]

    def line(self, winner: int, tie_break: TieBreak | None) -> str:
        """The vote in one line."""
        by = {"model": "; the model chose this one", "first": "; the first one stands", None: ""}[tie_break]
        form = self.tally.ballots[winner]
        if form is None:
            return f"[vote: none of {len(self.samples)} {self.noun} states a final answer{by}]"
        shown = "the same program" if form.startswith("code:") else excerpt(form, SHOWN).replace("\n", " ")
        tied = f"tied with {len(self.tally.leaders) - 1} more" if tie_break else f"margin {self.tally.margin}"
        return f"[vote: {self.tally.votes[form]} of {len(self.samples)} {self.noun} say {shown}, {tied}{by}]"

    def data(self, winner: int, tie_break: TieBreak | None) -> dict[str, JsonValue]:
        """The whole vote. `abstained` counts samples that failed or state no answer; `support` is the winner's share
        of all samples, None where it states no answer."""
        form = self.tally.ballots[winner]
        failed = [(number, one) for number, one in enumerate(self.samples) if isinstance(one, Exception)]
        return {
            "votes": dict(self.tally.votes),
            "samples": len(self.samples),
            "abstained": self.tally.ballots.count(None),
            "failed": [{"sample": number, "error": told(error)} for number, error in failed],
            "lengths": [len(one.content) if isinstance(one, Outcome) else None for one in self.samples],
            "winner": winner,
            "margin": self.tally.margin,
            "support": None if form is None else self.tally.votes[form] / len(self.samples),
            "tie_break": tie_break,
        }

    def outcome(self, winner: int, tie_break: TieBreak | None = None, **said: JsonValue) -> Outcome:
        """The winning sample with the vote."""
        chosen = self.samples[winner]
        assert isinstance(chosen, Outcome), "a failed sample is no candidate"
        content = f"{self.line(winner, tie_break)}\n\n{chosen.content}"
        data = {**chosen.data, **self.data(winner, tie_break), **said}
        return chosen.model_copy(update={"content": content, "data": data})

    def _is_cut(self, number: int) -> bool:
        sample = self.samples[number]
        return isinstance(sample, Outcome) and "truncated" in sample.data


def told(error: Exception) -> str:
    """Type and, for errors of ours, message: those of others may quote a secret."""
    return f"{type(error).__name__}: {error}" if isinstance(error, FlowwrightError) else type(error).__name__
