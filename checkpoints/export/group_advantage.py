"""Group advantage (GRPO: Shao et al. 2024, arXiv 2402.03300, section 4.1.2): how much better a rollout is than the
others of its group, in standard deviations: `(r - mean(r)) / (std(r) + EPSILON)`.

The standard deviation is the sample's (n - 1) and EPSILON is 1e-4, as in TRL's `GRPOTrainer` with
`scale_rewards="group"`. A group whose rewards are all equal, or of one rollout, has nothing to compare: advantage 0.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

FORMULA = "(reward - mean) / (std + 1e-4), mean and sample standard deviation over the runs of the group"
EPSILON = 1e-4


def group_advantages(rewards: Sequence[float]) -> list[float]:
    """The advantage of each rollout of one group, in the order of their `rewards`."""
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    mean, deviation = statistics.fmean(rewards), statistics.stdev(rewards)
    return [(reward - mean) / (deviation + EPSILON) if deviation else 0.0 for reward in rewards]
