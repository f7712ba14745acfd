"""A record takes up little where it is stored: what its id says and what is as usual is left out, and comes back.
`unpacked(packed(r)) == r` for every call record."""

from __future__ import annotations

from typing import Any, Final, cast

from .call_record import CallRecord

_USUAL: Final[dict[str, Any]] = {
    "checkpoint": None, "attempt": 1, "model": None, "version": None, "schema": None, "sent": None, "message": None,
    "token_ids": None, "logprobs": None, "logprobs_mode": None, "constrained": False, "incomplete": False,
    "finish_reason": None, "input_tokens": 0, "output_tokens": 0, "estimated": False, "money": None, "error": None,
}  # fmt: skip
_USUAL_PROMPT: Final[dict[str, Any]] = {
    "parent": None, "messages": 0, "pieces": [], "rest": [], "tokens": 0, "ids": None, "continues": False,
}  # fmt: skip
_FIELDS: Final = (*CallRecord.__annotations__,)
Packed = dict[str, Any]


def packed(record: CallRecord) -> Packed:
    """`record` as it is stored."""
    whole: Packed = {name: record[name] for name in _FIELDS}  # type: ignore[literal-required]  # one order for all
    short = {name: value for name, value in whole.items() if name not in _USUAL or value != _USUAL[name]}
    told: Packed = {**record["prompt"]}
    prompt = {name: told[name] for name, usual in _USUAL_PROMPT.items() if told[name] != usual}
    short["prompt"] = prompt
    for name, value in _told_by(record["id"]).items():
        if record[name] == value:  # type: ignore[literal-required]
            del short[name]
    if record["task"] == _last_task(record["namespace"]):
        del short["task"]
    head = record["id"].rpartition("/")[0].rpartition("/")[0]
    if record["key"].startswith(f"{head}/"):
        short["key"] = record["key"][len(head) :]
    return short


def unpacked(stored: Packed) -> CallRecord:
    """The record that was packed; one that is whole already stays as it is."""
    whole = {**_USUAL, **_told_by(stored["id"]), **stored}
    whole["prompt"] = {**_USUAL_PROMPT, **stored["prompt"]}
    if "task" not in stored:
        whole["task"] = _last_task(stored["namespace"])
    if whole["key"].startswith("/"):
        whole["key"] = stored["id"].rpartition("/")[0].rpartition("/")[0] + whole["key"]
    return cast(CallRecord, whole)


def _told_by(id: str) -> dict[str, Any]:
    """What an id of the form `RUN/TURN/ROLE/PLACE/NUMBER` says; nothing of another one."""
    match id.split("/"):
        case [run, turn, role, place, _] if turn.isdecimal() and turn.isascii():
            return {"run": run, "turn": int(turn), "role": role, "place": place}
    return {}


def _last_task(namespace: str) -> str | None:
    return namespace.rpartition("|")[2].partition(":")[2] or None
