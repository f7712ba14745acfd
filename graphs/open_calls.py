"""The state keeps the last call of each role in full, because the next prompt is told relative to it, and no other:
reading a state costs the same after four hundred turns as after forty. Every call is in the writes of the checkpoints,
from which `calls_of` reads them.

The reducer is batching-invariant, as delta channels must be: what it keeps of a role is that role's last call, restored
from the one before.
"""

from __future__ import annotations

from collections.abc import Sequence

from .call_packing import Packed, packed, unpacked
from .call_record import CallRecord
from .prompt_delta import restored, told


def open_calls(current: list[Packed], writes: Sequence[list[Packed]]) -> list[Packed]:
    """The last answered call of each role and policy, with its whole prompt. An operation's calls are over with it."""
    kept = {_line(one): one for one in map(unpacked, current)}
    for record in sorted((unpacked(one) for write in writes for one in write), key=lambda one: one["at"]):
        if record["role"] == "executor" or record["error"] is not None:
            continue
        before = kept.get(_line(record))
        above = record["prompt"]["parent"]
        if above is not None and (before is None or before["id"] != above):
            kept.pop(_line(record), None)  # told relative to what is not there: the next one stands alone
            continue
        kept[_line(record)] = whole(record, before if above is not None else None)
    return [packed(one) for one in sorted(kept.values(), key=lambda one: one["at"])]


def whole(record: CallRecord, before: CallRecord | None) -> CallRecord:
    """`record` with its prompt standing alone; `before`, which stands alone, is the one it was told relative to."""
    said = restored(record, restored(before, None) if before is not None else None)
    prompt = told(said.messages, said.prompt_ids, None)
    return {**record, "prompt": {**prompt, "continues": record["prompt"]["continues"]}}


def _line(record: CallRecord) -> tuple[str, str]:
    return record["role"], record["policy"]
