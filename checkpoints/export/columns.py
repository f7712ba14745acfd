"""Every column of an exported file has one type and is never null, so that a reader that judges a file by its first
rows (as `datasets` does, by the first 10 MB of a JSON file) is right about all of them. What is unknown is empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Kind = Literal["text", "integer", "number", "flag", "integers", "numbers", "messages", "calls"]


@dataclass(frozen=True)
class Column:
    """One column of a file."""

    name: str
    kind: Kind
    meaning: str
    """One line, for the data card."""


PROVENANCE = (
    Column("task", "text", "key of the task: its id, else a digest of its question; all rows of it are in one split"),
    Column("system", "text", "dyflow, agentflow, flowsteer, another system's name, or foreign"),
    Column("role", "text", "role, or node of a graph that is not ours, that made the call"),
    Column("thread", "text", "thread of the run"),
    Column("run", "text", "id of the run"),
)
"""Where a row comes from."""

ORIGIN = (
    *PROVENANCE,
    Column("turn", "integer", "number of the decision, from 1"),
    Column("place", "text", "which branch of the turn: an operation's id or the attempt of a decision"),
    Column("call", "text", "id of the model call; its record stands in the run's state under `calls`"),
    Column("policy", "text", "public name of the policy that answered"),
    Column("version", "text", "adapter or weights that answered; empty: unknown"),
    Column("finish", "text", "stop, length (cut at the token limit) or the provider's own word; empty: it gave none"),
    Column(
        "status", "text", "what became of the reply: plan, finish, refused, ok, failed, ...; empty: nothing read it"
    ),
    Column("faults", "text", "kind/code of what was wrong with it, separated by commas; empty: nothing"),
    Column("feedback", "text", "what the runtime said to it, line by line; empty: nothing"),
    Column("input_tokens", "integer", "tokens of the prompt, as counted by the provider"),
    Column("output_tokens", "integer", "tokens of the reply, as counted by the provider"),
)
"""Where a row that is one call comes from."""

REWARD = Column("reward", "number", "reward of the run")
PROMPT = Column("prompt", "messages", "messages of the prompt")
COMPLETION = Column("completion", "messages", "the reply, as a list of one message")


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a Parquet file with these columns."""
    import pyarrow as pa

    text, integer, number = pa.string(), pa.int64(), pa.float64()
    function = pa.struct([("name", text), ("arguments", text)])
    tool_calls = pa.list_(pa.struct([("id", text), ("type", text), ("function", function)]))
    message = [("role", text), ("content", text), ("name", text), ("tool_calls", tool_calls), ("tool_call_id", text)]
    kinds: dict[Kind, pa.DataType] = {
        "text": text,
        "integer": integer,
        "number": number,
        "flag": pa.bool_(),
        "integers": pa.list_(pa.int64()),
        "numbers": pa.list_(number),
        "messages": pa.list_(pa.struct(message)),
        "calls": pa.list_(pa.struct([(name, text if kind is str else integer) for name, kind in CALL_FIELDS.items()])),
    }
    return pa.schema([pa.field(column.name, kinds[column.kind]) for column in columns])


CALL_FIELDS: dict[str, type] = {
    "call": str, "start": int, "stop": int, "turn": int, "place": str, "policy": str, "version": str,
    "logprobs_mode": str, "constrained": int, "finish": str, "checkpoint": str,
}  # fmt: skip
"""Fields of one entry of a `calls` column; `start` and `stop` are places in `completion_ids`."""
