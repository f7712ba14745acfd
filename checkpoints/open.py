"""One address opens one saver, usable by `invoke` and `ainvoke` alike, that is closed by `with` or `close()`."""

from __future__ import annotations

from collections.abc import Iterable

from .location import Location
from .memory import StrictMemorySaver
from .sqlite import GroupCommitSaver

Saver = GroupCommitSaver | StrictMemorySaver


def open_checkpointer(
    url: str, *, create: bool = True, busy_timeout: float = 30.0, filter_keys: Iterable[str] = ()
) -> Saver:
    """The saver at `url`: `sqlite:///relative.db`, `sqlite:////absolute.db` or `memory:`.

    `create=False` refuses a missing file instead of making it. `busy_timeout` (seconds) bounds the wait for other
    processes that write to the file. `filter_keys` adds metadata keys that `list` may filter by. Raises UsageError for
    another kind of URL, a file that is not ours or LangGraph's (left as it is), and one that stays locked.
    """
    location = Location.parse(url)
    if location.path is None:
        return StrictMemorySaver(filter_keys=filter_keys)
    return GroupCommitSaver(location.path, create=create, busy_timeout=busy_timeout, filter_keys=filter_keys)
