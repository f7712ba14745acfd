"""A prompt and what it adds to another one are the same thing: `restored(told(p, parent), parent) == p`, to the last
token and character, whatever the two have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .call_record import CallRecord, Message, PromptRecord
from .text_pieces import in_pieces, joined


@dataclass(frozen=True)
class Spoken:
    """A call's prompt and reply in full."""

    id: str
    messages: list[Message]
    """The prompt's."""
    reply: Message
    prompt_ids: list[int] | None
    """None: unknown."""
    token_ids: list[int] | None
    """Sampled; None: unknown."""

    @property
    def conversation(self) -> list[Message]:
        """Prompt and reply."""
        return [*self.messages, self.reply]

    @property
    def tokens(self) -> list[int] | None:
        """Prompt and completion; None: unknown."""
        if self.prompt_ids is None or self.token_ids is None:
            return None
        return [*self.prompt_ids, *self.token_ids]


def told(messages: list[Message], ids: list[int] | None, parent: Spoken | None) -> PromptRecord:
    """The prompt (`ids` None: unknown) relative to `parent` (None: there is none)."""
    if parent is None:
        return PromptRecord(parent=None, messages=0, pieces=[], rest=messages, tokens=0, ids=ids, continues=False)
    before, tokens = parent.conversation, parent.tokens
    kept = shared(messages, before)
    rest = messages[kept:]
    pieces = _pieces(rest[0], before[kept]) if rest and kept < len(before) else []
    if pieces:
        rest = [{**rest[0], "content": ""}, *rest[1:]]
    if ids is None or tokens is None:
        return PromptRecord(
            parent=parent.id, messages=kept, pieces=pieces, rest=rest, tokens=0, ids=ids, continues=False
        )
    known = shared(ids, tokens)
    return PromptRecord(
        parent=parent.id, messages=kept, pieces=pieces, rest=rest, tokens=known, ids=ids[known:],
        continues=known == len(tokens),
    )  # fmt: skip


def restored(record: CallRecord, parent: Spoken | None) -> Spoken:
    """The call in full. `parent` is the call that its prompt is told relative to, None where it names none. Raises
    ValueError for another one."""
    prompt = record["prompt"]
    if prompt["parent"] != (parent.id if parent else None):
        raise ValueError(f"call {record['id']} is told relative to {prompt['parent']}, not to {parent and parent.id}")
    messages, ids = prompt["rest"], prompt["ids"]
    if parent is not None:
        before = parent.conversation
        if prompt["pieces"]:
            content = joined(prompt["pieces"], before[prompt["messages"]]["content"])
            messages = [{**messages[0], "content": content}, *messages[1:]]
        messages = [*before[: prompt["messages"]], *messages]
        if ids is not None:
            ids = [*(parent.tokens or [])[: prompt["tokens"]], *ids]
    reply = record["message"] or {"role": "assistant", "content": record["reply"]}
    return Spoken(record["id"], messages, reply, ids, record["token_ids"])


def spoken(records: Iterable[CallRecord]) -> Iterator[tuple[CallRecord, Spoken]]:
    """Each record with its call in full, in an order in which parents come first. Raises ValueError for a parent that
    is not among the records before it."""
    known: dict[str, Spoken] = {}
    for record in records:
        yield record, known.setdefault(record["id"], restored(record, _parent(record, known)))


def spoken_of(record: CallRecord, records: Mapping[str, CallRecord]) -> Spoken:
    """One call in full, from the `records` by id that its parents are among. Raises ValueError where one is missing."""
    found = spoken_in(lineage(record, records))
    assert found is not None, "the line has at least the record itself"
    return found


def lineage(record: CallRecord, records: Mapping[str, CallRecord]) -> list[CallRecord]:
    """The record, and before it the calls that its prompt rests on, the first of which stands alone."""
    line = [record]
    while (above := line[-1]["prompt"]["parent"]) is not None:
        if above not in records:
            raise ValueError(f"call {line[-1]['id']} is told relative to {above}, which is not there")
        line.append(records[above])
    return line[::-1]


def spoken_in(line: Iterable[CallRecord]) -> Spoken | None:
    """The last call of a lineage in full; None of an empty one."""
    found: Spoken | None = None
    for one in line:
        found = restored(one, found)
    return found


def shared(one: list[int] | list[Message], other: list[int] | list[Message]) -> int:
    """Length of the common prefix."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(place for place in range(most) if one[place] != other[place])


def _pieces(one: Message, other: Message) -> list[str | list[int]]:
    ours, theirs = one.get("content"), other.get("content")
    same = {**one, "content": None} == {**other, "content": None}
    if not same or not isinstance(ours, str) or not isinstance(theirs, str):
        return []
    pieces = in_pieces(ours, theirs)
    return [] if pieces == [ours] else pieces


def _parent(record: CallRecord, known: Mapping[str, Spoken]) -> Spoken | None:
    above = record["prompt"]["parent"]
    if above is not None and above not in known:
        raise ValueError(f"call {record['id']} is told relative to {above}, which did not come before it")
    return None if above is None else known[above]
