"""A verdict is a field or a labelled line, never a word found somewhere in a text; what is neither, or both and not the
same, says: go on."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..policies.faults import ReplyError
from ..policies.reply import Reply
from .judgement import Judgement
from .single import find_single
from .spoken import spoken

CONCLUSION: Final = re.compile(
    r"^[\s>#*_-]*conclusion[\s*_]*:[\s*_`]*(?P<word>stop|continue)\b[\s*_`.!]*$", re.IGNORECASE | re.MULTILINE
)
YES: Final = frozenset({"true", "yes", "stop"})


def read_verdict(reply: Reply) -> Judgement:
    """What the verifier's model said: `{"analysis", "stop"}` (or the published `stop_signal`), or a line `Conclusion:
    STOP` or `Conclusion: CONTINUE`, the last of which counts."""
    said = spoken(reply.text).strip()
    unread = Judgement(stop=False, analysis=said, flag="unparsed")
    lines = [match["word"].lower() == "stop" for match in CONCLUSION.finditer(said)]
    try:
        judgement, _ = find_single(reply, _judgement)
    except ReplyError:
        cut = reply.finish_reason == "length"
        return Judgement(stop=lines[-1], analysis=said) if lines and not cut else unread
    return unread if lines and lines[-1] != judgement.stop else judgement


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
    analysis = action.get("analysis", "")
    return Judgement(stop=stop, analysis=analysis if isinstance(analysis, str) else json.dumps(analysis))
