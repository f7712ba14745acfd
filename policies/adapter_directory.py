"""A directory of weights is published once: as one version of one name, with the content that it had then.

Invariant: the stamp in the directory says what it was published as. vLLM tells cached prefixes apart by an adapter's
name and path, so other weights under the same two would be answered from the cache of the old ones, without any sign.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import UsageError

CONFIG: Final = "adapter_config.json"
STAMP: Final = "flowwright_adapter.json"
_WEIGHTS: Final = ("adapter_model.safetensors", "adapter_model.bin")
_WRITE_ANEW: Final = "Write each version into a directory of its own"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a directory was published as."""

    name: str
    version: int
    sha256: str
    """Of its configuration and weights."""


@dataclass(frozen=True, slots=True)
class AdapterDirectory:
    """A LoRA adapter as PEFT's `save_pretrained` wrote it. Its methods read files: call them off the event loop."""

    path: Path
    base: str | None
    """Which model it was trained on, by name or path; None: it does not say."""
    sha256: str

    @classmethod
    def read(cls, directory: str | Path) -> AdapterDirectory:
        """The adapter in `directory`, links followed. Raises UsageError when there is none."""
        path = Path(directory).expanduser().resolve()
        weights = next((path / name for name in _WEIGHTS if (path / name).is_file()), None)
        try:
            config: Any = json.loads((path / CONFIG).read_text())
        except FileNotFoundError:
            config = None
        except (OSError, ValueError) as error:
            raise UsageError(f"{str(path / CONFIG)!r} cannot be read: {error}") from None
        if not isinstance(config, dict) or weights is None:
            missing = "adapter_model.safetensors" if isinstance(config, dict) else CONFIG
            raise UsageError(f"{str(path)!r} has no {missing}", fix="Name a folder that PEFT's save_pretrained wrote")
        base = config.get("base_model_name_or_path")
        return cls(path, base if isinstance(base, str) and base else None, _digest(path / CONFIG, weights))

    def publish_as(self, name: str, version: int) -> bool:
        """Stamps the directory; False: it had the stamp already. Raises UsageError when it was published as something
        else, or has changed since."""
        stamp = Stamp(name, version, self.sha256)
        known = stamp_of(self.path)
        if new := known is None:
            self._write(stamp)
            known = stamp_of(self.path)
        if known is None or (known.name, known.version) != (name, version):
            as_what = f"{known.name} version {known.version}" if known else "something unreadable"
            raise UsageError(f"{str(self.path)!r} was published as {as_what}", fix=_WRITE_ANEW)
        if known.sha256 != self.sha256:
            raise UsageError(f"{str(self.path)!r} has changed since it was published", fix=_WRITE_ANEW)
        return new

    def withdraw(self) -> None:
        """Takes the stamp off again: no server has taken these weights."""
        (self.path / STAMP).unlink(missing_ok=True)

    def _write(self, stamp: Stamp) -> None:
        """The whole stamp or none: two processes that publish at once cannot both win."""
        try:
            handle, draft = tempfile.mkstemp(dir=self.path, prefix=f".{STAMP}")
            with os.fdopen(handle, "w") as file:
                json.dump(asdict(stamp), file)
            try:
                os.link(draft, self.path / STAMP)
            except FileExistsError:
                pass
            finally:
                Path(draft).unlink()
        except OSError as error:
            raise UsageError(
                f"{str(self.path)!r} cannot be written to ({error.strerror}), so its version cannot be noted there",
                fix="Copy it into a directory of its own",
            ) from None


def stamp_of(directory: Path) -> Stamp | None:
    """What `directory` was published as; None: nothing yet, or nothing that can be read."""
    try:
        return Stamp(**json.loads((directory / STAMP).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
