"""Reading a checkpoint never imports, constructs or unpickles what the file names; only LangGraph's own safe types.

A class outside that list comes back as the plain data it was stored as.
"""

from __future__ import annotations

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer


def strict_serializer() -> JsonPlusSerializer:
    """Msgpack with no allow-list added: messages, `Send`, `Command`, `Overwrite`, `Interrupt`, delta snapshots."""
    return JsonPlusSerializer(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)
