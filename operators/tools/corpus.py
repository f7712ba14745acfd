"""A corpus is read whole or refused with the place of the first fault; its digest changes with every character of it,
and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...digest import digest
from ...errors import UsageError
from .passages import Document

SUFFIXES: Final = frozenset({".txt", ".md"})
MOST_BYTES: Final = 256 << 20
FIX: Final = (
    'Give a folder of .txt and .md files, or a .jsonl file of objects with "text" and, if wanted, "id", "title"'
)


@dataclass(frozen=True)
class Corpus:
    """Documents, and what tells them from others."""

    documents: tuple[Document, ...]
    digest: str
    """16 hex digits."""


def read_corpus(path: str | Path) -> Corpus:
    """The documents of a folder (its .txt and .md files at any depth, by name) or of a JSONL file. Raises UsageError
    for what cannot be read, with the line in a JSONL file."""
    place = Path(path)
    if not place.exists():
        raise UsageError(f"there is no corpus at {place}", fix=FIX)
    documents = tuple(_folder(place) if place.is_dir() else _lines(place))
    if not any(document.text.strip() for document in documents):
        raise UsageError(f"the corpus {place} has no text", fix=FIX)
    return Corpus(documents, digest([[one.id, one.title, one.text] for one in documents], 16))


def _folder(folder: Path) -> Iterator[Document]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    _check_size(folder, sum(file.stat().st_size for file in files))
    for file in files:
        name = file.relative_to(folder).as_posix()
        text = _text(file)
        yield Document(name, _heading(text) or name, text)


def _heading(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return first.lstrip("#").strip()[:200] if first.startswith("#") else ""


def _lines(file: Path) -> Iterator[Document]:
    _check_size(file, file.stat().st_size)
    seen: dict[str, int] = {}
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        document = _document(_record(line, place), number, place)
        if document.id in seen:
            before = f"line {seen[document.id]}"
            raise UsageError(f"{place}: the id {document.id!r} is taken by {before}", fix="Give each record its own")
        seen[document.id] = number
        yield document


def _record(line: str, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise UsageError(f"{place}: no JSON ({fault})", fix=FIX) from None
    if not isinstance(record, dict):
        raise UsageError(f"{place}: no object", fix=FIX)
    return record


def _document(record: dict[str, Any], number: int, place: str) -> Document:
    given = {"id": str(number), "title": ""} | {name: record[name] for name in ("id", "title") if name in record}
    if isinstance(given["id"], int) and not isinstance(given["id"], bool):
        given["id"] = str(given["id"])
    for name, value in {**given, "text": record.get("text")}.items():
        if not isinstance(value, str):
            raise UsageError(f'{place}: "{name}" is no string', fix=FIX)
    if not given["id"].strip():
        raise UsageError(f'{place}: "id" is blank', fix="Leave it out, or give the record a name")
    return Document(given["id"], given["title"] or given["id"], record["text"])


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UsageError(f"{file} is not UTF-8 at byte {fault.start:,}", fix="Convert it to UTF-8") from None


def _check_size(path: Path, size: int) -> None:
    if size > MOST_BYTES:
        most = f"{MOST_BYTES >> 20} MiB"
        raise UsageError(f"the corpus {path} has {size >> 20} MiB, more than {most}", fix="Use a search server for it")
