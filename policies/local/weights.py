"""Weights are loaded in one place, with the fingerprint of the very files that were read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ...digest import digest
from ...errors import UsageError

INSTALL: Final = 'pip install "flowwright[local]"'
ADAPTER: Final = "adapter_config.json"
CONTENT: Final = ("*.safetensors", "pytorch_model*.bin", "adapter_model*.bin", "*.index.json", "config.json", ADAPTER)
"""Files that decide what a model computes."""


@dataclass(frozen=True)
class Loaded:
    """A model that can answer."""

    model: Any
    """A causal language model of transformers."""
    tokenizer: Any
    """With a chat template."""
    version: str
    """What is reported to have answered."""
    name: str
    """For messages."""

    def __post_init__(self) -> None:
        """Raises UsageError for what cannot be sampled from here."""
        if not self.tokenizer.chat_template:
            raise UsageError(f"{self.name} has no chat template", fix="Use a chat model's tokenizer")
        if getattr(self.model, "_is_stateful", False) or self.model.config.is_encoder_decoder:
            raise UsageError(f"{self.name} is not a decoder of attention layers alone", fix="Serve it with vLLM")

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end a reply."""
        given = self.model.generation_config.eos_token_id
        if given is None:
            given = self.tokenizer.eos_token_id
        return frozenset(given if isinstance(given, list) else [] if given is None else [given])

    @property
    def context(self) -> int | None:
        """Tokens of prompt and reply together at most; None: the model names no limit."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @property
    def vocabulary(self) -> int:
        """Ids that the model can read."""
        size: int = self.model.get_input_embeddings().weight.shape[0]
        return size


def load(source: str) -> Loaded:
    """Model and tokenizer of a folder or a hub id, in float32; of a folder with a LoRA adapter, its base with the
    adapter on. Raises UsageError when they cannot be had."""
    name = f"local:{source}"
    try:
        import transformers
    except ImportError as error:
        raise UsageError(f"{name} needs {error.name}", fix=INSTALL) from error
    folder = Path(source)
    before = stamps(folder)
    try:
        if (folder / ADAPTER).is_file():
            loaded = _adapted(folder, name)
        else:
            tokenizer = transformers.AutoTokenizer.from_pretrained(source)
            loaded = Loaded(_model(source), tokenizer, fingerprint(_folder(source)), name)
    except UsageError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be loaded: {' '.join(str(error).split())[:200]}") from error
    if stamps(folder) != before:
        raise UsageError(f"{name} was written while it was loaded", fix="Write weights to a new folder")
    return loaded


def _model(source: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    return model.eval()


def _adapted(folder: Path, name: str) -> Loaded:
    """The base model that the adapter names, with the adapter's layers in it, not merged."""
    if find_spec("peft") is None:
        raise UsageError(f"{name} is a LoRA adapter and needs peft", fix='pip install "flowwright[train]"')
    from peft import PeftModel  # type: ignore[import-not-found, unused-ignore]
    from transformers import AutoTokenizer

    base = json.loads((folder / ADAPTER).read_text())["base_model_name_or_path"]
    own = (folder / "tokenizer_config.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(folder if own else base)
    model = PeftModel.from_pretrained(_model(base), folder).eval()
    version = f"{fingerprint(_folder(base))}+{fingerprint(folder)}"
    return Loaded(model.get_base_model(), tokenizer, version, name)


def _folder(source: str) -> Path:
    """Where the files of a folder or a hub id lie."""
    if Path(source).is_dir():
        return Path(source)
    from transformers.utils.hub import cached_file

    return Path(str(cached_file(source, "config.json"))).parent


def fingerprint(folder: Path) -> str:
    """16 hex digits of the names, sizes and contents of the files that decide what the model computes."""
    return digest([[path.name, path.stat().st_size, _content(path)] for path in _files(folder)], 16)


def stamps(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the same files; empty when there is no such folder."""
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in _files(folder)]


def _files(folder: Path) -> Iterator[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    yield from sorted(path for path in found if any(fnmatch(path.name, pattern) for pattern in CONTENT))


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
