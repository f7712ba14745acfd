"""A verdict is a field or a labelled line, never a word found somewhere in a text; what is neither says: go on."""

from __future__ import annotations

import re
from typing import Any, Final

from ..policies.action import find_action
from ..policies.faults import ReplyError
from ..policies.reply import Reply
from .judgement import Judgement

CONCLUSION: Final = re.compile(
    r"^[\s>#*_-]*conclusion[\s*_]*:[\s*_`]*(?P<word>stop|continue)\b[\s*_`.!]*$", re.IGNORECASE | re.MULTILINE
)
YES: Final = frozenset({"true", "yes", "stop"})


def read_verdict(reply: Reply) -> Judgement:
    """What the verifier's model said: `{"analysis", "stop"}` (or the published `stop_signal`), else its last line
    `Conclusion: STOP` or `Conclusion: CONTINUE`."""
    try:
        return find_action(reply.text, _judgement, finish_reason=reply.finish_reason)
    except ReplyError:
        said = [match["word"].lower() for match in CONCLUSION.finditer(reply.text)]
    if not said:
        return Judgement(stop=False, analysis=reply.text.strip(), flag="unparsed")
    return Judgement(stop=said[-1] == "stop", analysis=reply.text.strip())


def verdict_schema() -> dict[str, Any]:
    """JSON schema of a verdict."""
    return {
        "type": "object",
        "properties": {"analysis": {"type": "string"}, "stop": {"type": "boolean"}},
        "required": ["analysis", "stop"],
        "additionalProperties": False,
    }


def _judgement(action: dict[str, Any]) -> Judgement:
    signal = action.get("stop", action.get("stop_signal"))
    if not isinstance(signal, bool | str):
        raise ValueError('a verdict has "stop": true or false')
    stop = signal if isinstance(signal, bool) else signal.strip().lower() in YES
    return Judgement(stop=stop, analysis=str(action.get("analysis", "")))
