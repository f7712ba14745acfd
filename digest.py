"""One content hash for everything: equal data gives an equal digest in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(data: Any, length: int = 32) -> str:
    """SHA-256 over the canonical JSON of `data` (sorted keys, no blanks), as `length` hex digits. Raises TypeError
    for anything that is not JSON-native, so that no `repr` with an address in it ever becomes a key."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:length]
