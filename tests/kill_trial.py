"""One run that is killed and taken up until it ends, with the laws that hold of each of its lives."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import kill_child
from kill_child import Boundary
from kill_script import SCENARIOS
from kill_witness import Witness, recorded


@dataclass
class Trial:
    """A run of `system`, checkpointed at `path`."""

    system: str
    witness: Witness
    processes: ForkServerContext
    path: Path
    kills: int = 0
    asked: list[str] = field(default_factory=list)
    """Keys of all requests of its lives."""

    def live(self, boundary: Boundary | None = None, seconds: float | None = None) -> bool:
        """One life of the run, ended at `boundary` or after so many seconds; whether it reached the run's end. What was
        on record when it began is not asked for in it, and what is asked again was in flight when the last life
        ended."""
        known, earlier = recorded(self.path), set(self.asked)
        child = self._born(boundary)
        child.join(seconds)
        if child.is_alive():
            child.kill()
            child.join()
        asked = self.witness.fresh()
        self.asked += asked
        assert known.isdisjoint(asked), f"asked again: {sorted(known.intersection(asked))}"
        assert len(earlier.intersection(asked)) <= SCENARIOS[self.system].at_once, "more than could be in flight"
        assert child.exitcode in (0, -9)
        self.kills += child.exitcode != 0
        return child.exitcode == 0

    def unbroken(self) -> tuple[int, float]:
        """The only life: the boundaries it crosses and the seconds it takes."""
        receiver, sender = self.processes.Pipe(duplex=False)
        began = time.monotonic()
        child = self._born(None, sender)
        crossed = receiver.recv()
        child.join()
        self.asked += self.witness.fresh()
        return crossed, time.monotonic() - began

    @property
    def questions(self) -> set[str]:
        """What was asked for, whichever run asked."""
        return {key.partition("/")[2] or key for key in self.asked}

    def _born(self, boundary: Boundary | None, count_to: Any = None) -> Any:
        url = self.witness.url(self.system)
        given = (self.system, str(self.path), url, boundary, count_to)
        child = self.processes.Process(target=kill_child.run, args=given)
        child.start()
        return child
