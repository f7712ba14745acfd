"""An action in the published tags says what the same action in JSON says; prompts come later, one a turn, and what tags
have no word for is left out."""

from __future__ import annotations

from ..slips import Action

PROMPT = "prompt"
"""Action that is the text of a prompt which was asked for."""


def as_tags(action: Action) -> str:
    """The action as a reply in tags."""
    if action["action"] == PROMPT:
        return tagged(prompt=action["prompt"])
    return tagged(action=_word(action), **_fields(action))


def tagged(**fields: str) -> str:
    """Each field between its tags."""
    return "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())


def _word(action: Action) -> str:
    return "add" if action["action"] in ("parallel", "conditional", "loop") else str(action["action"])


def _fields(action: Action) -> dict[str, str]:
    match action["action"]:
        case "add":
            return {"operator": action["operator"]}
        case "parallel":
            names = ", ".join(branch[0]["operator"] for branch in action["branches"])
            return {"structure": "parallel", "operators": names}
        case "conditional":
            then = action["then"][0]["operator"]
            return {
                "structure": "conditional", "condition": action["condition"]["operator"], "true": then, "false": "done",
            }  # fmt: skip
        case "loop":
            names = ", ".join(node["operator"] for node in action["body"])
            return {"structure": "loop", "operators": names, "count": str(action["times"])}
        case "modify":
            return {"target": action["target"], "operator": action["operator"]}
        case "set_prompt":
            return {"target": action["target"], "prompt": action["prompt"]}
        case "delete":
            return {"target": action["target"]}
        case "inspect":
            return {"target": action["node"]}
    return {}
