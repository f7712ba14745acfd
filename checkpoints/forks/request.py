"""What a fork begins with is the source's checkpoint and nothing else of the source: another run stands in it, with an
id of its own, so that no finished call of the source is taken for one of the fork's, and a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import uuid4

from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.base.id import uuid6

from ...digest import digest
from ...graphs.build import Graph
from ...graphs.operation import derived_seed
from ...graphs.services import Services
from ...graphs.state import Origin, Run
from ..lineage import FORKED_FROM
from ..sqlite import GroupCommitSaver
from .counterfactual import Edit, edited_budget, edited_memory

FORK: Final = "fork"
"""Metadata of a fork's first checkpoint: `{"batch", "spec"}`, the request that it was made for."""
COUNTED: Final = "counters_since_delta_snapshot"


@dataclass(frozen=True)
class ForkRequest:
    """Some forks of one decision. Equal requests have equal specs."""

    graph: Graph
    services: Services
    saver: BaseCheckpointSaver[Any]
    decision: CheckpointTuple
    """The source's checkpoint from which the turn is decided."""
    samples: int
    seed: int
    edit: Edit
    whole: bool
    """Whether nothing is shared in the end, where it can be."""

    @property
    def shares(self) -> bool:
        """Whether the growing channels stay in the source's thread; False: each fork's first checkpoint holds them."""
        return isinstance(self.saver, GroupCommitSaver)

    @property
    def run(self) -> Run:
        """The source's."""
        return cast(Run, self.decision.checkpoint["channel_values"]["run"])

    @property
    def thread_id(self) -> str:
        """The source's."""
        return str(self.decision.config["configurable"]["thread_id"])

    @property
    def policies(self) -> dict[str, str]:
        """Names by role."""
        return {role: policy.name for role, policy in self.services.policies.items()}

    @property
    def spec(self) -> str:
        """Digest of everything that was asked for."""
        where = [self.thread_id, self.decision.checkpoint["id"]]
        return digest([*where, self.samples, self.seed, self.policies, dict(self.edit), self.whole])

    def name(self, number: int) -> str:
        """The thread of fork `number`."""
        return f"{self.thread_id}.{self.run['turn']}-{number}"

    def forks(self, origin: Origin) -> bool:
        """Whether a run of this origin was forked from the same decision."""
        return (origin["thread"], origin["checkpoint"]) == (self.thread_id, self.decision.checkpoint["id"])

    def content(self) -> dict[str, Any]:
        """The channels of a fork's first checkpoint, its run apart. Raises UsageError for an edit that does not fit."""
        values = dict(self.decision.checkpoint["channel_values"])
        growing = [name for name, channel in self.graph.channels.items() if isinstance(channel, DeltaChannel)]
        for name in growing:
            values.pop(name, None)
        if not self.shares or "memory" in self.edit:
            state, written = self.graph.get_state(self.decision.config).values, self.decision.checkpoint
            kept = ["memory"] if self.shares else growing
            # A saver stores the values of channels that have a version; one without was never written.
            values |= {name: state[name] for name in kept if name in written["channel_versions"]}
            if "memory" in self.edit:
                values["memory"] = edited_memory(state["memory"], self.edit["memory"])
        if "budget" in self.edit:
            values["budget"] = edited_budget(values["budget"], self.edit["budget"], self.services.policies)
        return values

    def draft(self, batch: str, number: int, content: Mapping[str, Any]) -> tuple[Checkpoint, CheckpointMetadata]:
        """The first checkpoint of fork `number`."""
        step = self.decision.metadata["step"]
        checkpoint: Checkpoint = {
            **self.decision.checkpoint, "id": str(uuid6(clock_seq=step)), "ts": datetime.now(UTC).isoformat(),
            "channel_values": {**content, "run": self.forked(number)},
        }  # fmt: skip
        told: dict[str, Any] = {
            "source": "fork", "step": step, "parents": {}, FORK: {"batch": batch, "spec": self.spec},
        }  # fmt: skip
        if self.shares:
            # A channel that is counted is not stored here; LangGraph counts on, to know when to store it again.
            counted = self.decision.metadata.get(COUNTED) or {}
            told[COUNTED] = {name: count for name, count in counted.items() if name not in content}
            told[FORKED_FROM] = {"thread_id": self.thread_id, "checkpoint_id": self.decision.checkpoint["id"]}
        return checkpoint, cast(CheckpointMetadata, told)

    def forked(self, number: int) -> Run:
        """The run of fork `number`."""
        run, checkpoint, services = self.run, self.decision.checkpoint["id"], self.services
        waits = [name for name in services.offered if services.registry[name].approval]
        return {
            **run,
            "id": uuid4().hex[:16],
            "seed": derived_seed(self.seed, FORK, checkpoint, number),
            "origin": Origin(
                thread=self.thread_id, checkpoint=checkpoint, run=run["id"], turn=run["turn"], sample=number
            ),
            "policies": self.policies,
            "approvals": [*dict.fromkeys([*run["approvals"], *waits])],
        }
