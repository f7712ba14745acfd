"""Rule-based chat models, honestly labelled, with which the framework runs where there is no key, no GPU and no
network. They go through the same operators, sandbox and checkpoints as any other model."""

from __future__ import annotations

from .designer import OfflineDesigner
from .executor import OfflineExecutor
from .rates import NO_ERRORS, RATES

__all__ = ["NO_ERRORS", "RATES", "OfflineDesigner", "OfflineExecutor"]
