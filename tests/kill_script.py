"""What the scripted server says: the first part of a request's path names the system, and so the scenario."""

from __future__ import annotations

from typing import Any, Final

from kill_agentflow import AGENTFLOW
from kill_dyflow import DYFLOW
from kill_flowsteer import FLOWSTEER
from kill_scenario import Scenario

SCENARIOS: Final[dict[str, Scenario]] = {"dyflow": DYFLOW, "agentflow": AGENTFLOW, "flowsteer": FLOWSTEER}


def reply(request: Any) -> str:
    """The tools are told that what they look up is known; the models, what the scenario says."""
    texts = [str(message["content"]) for message in request.body["messages"]]
    model = request.body["model"]
    if model == "lookup":
        return f"{texts[0]} is known"
    return SCENARIOS[request.path.split("/")[1]].reply(model, texts)
