"""No text leaves with a credential in it that can be recognized: by its form, or because this process's environment has
it under a name such as `..._API_KEY`. What was taken out is counted."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

_FORMS: Final = {
    "private_key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    "bearer": r"(?i:\bbearer)\s+(?=[^\s\"',;]*\d)[\w.~+/=-]{16,}",
    "url": r"(?<=://)[^\s/@:\"'<>]*:[^\s/@\"'<>]+(?=@)",
    "api_key": (
        r"\b(?:sk|pk|rk|lsv2|hf|gsk|xai|r8|nvapi|glpat|dckr_pat|pypi|tvly)[-_](?=[\w-]*\d)[\w-]{16,}"
        r"|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    ),
    "token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*",
}
_MARKS: Final = (
    "PRIVATE KEY-----", "earer ", "EARER ", "://", "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "lsv2", "hf_", "hf-",
    "gsk", "xai", "r8_", "nvapi", "glpat", "dckr_pat", "pypi", "tvly", "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
    "github_pat_", "xox", "AIza", "AKIA", "ASIA", "eyJ", "earer\n", "earer\t",
)  # fmt: skip
"""A text with none of these has none of the forms: looking for them costs a tenth of trying the forms."""
_NAMES: Final = re.compile(r"(?i)(?:^|_)(?:api_?key|key|token|secret|password|passwd|pwd|credentials?|auth)$")
_SHORTEST: Final = 8
_REMEMBERED: Final = 1 << 21
"""Characters of texts whose cleaning is remembered: system prompts and shared beginnings come again and again."""


class Redactor:
    """Cleans texts and counts what it took out, by kind."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """`environment` None: this process's."""
        found = secrets_of(os.environ if environment is None else environment)
        forms = {**({"environment": "|".join(map(re.escape, found))} if found else {}), **_FORMS}
        self._marks = (*_MARKS, *found)
        self._pattern = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in forms.items()))
        self._known: dict[str, tuple[str, Counter[str] | None]] = {}
        self._size = 0
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """`text` with `<redacted:KIND>` in the place of each credential."""
        clean, found = self._look(text)
        if found is not None:
            self.counts.update(found)
        return clean

    def holds(self, text: str) -> bool:
        """Whether a text has a credential in it. Counts nothing."""
        return self._look(text)[1] is not None

    def value(self, value: Any) -> Any:
        """JSON-native `value` with every text in it cleaned, keys left as they are."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(one) for name, one in value.items()}
        if isinstance(value, list) and value and not isinstance(value[0], int | float):
            return [self.value(one) for one in value]
        return value

    def _look(self, text: str) -> tuple[str, Counter[str] | None]:
        known = self._known.get(text)
        if known is None:
            self._size += len(text)
            if self._size > _REMEMBERED:
                self._known.clear()
                self._size = len(text)
            known = self._known[text] = self._search(text)
        return known

    def _search(self, text: str) -> tuple[str, Counter[str] | None]:
        if not any(mark in text for mark in self._marks):
            return text, None
        found: Counter[str] = Counter()

        def replaced(match: re.Match[str]) -> str:
            kind = match.lastgroup or ""
            found[kind] += 1
            return f"<redacted:{kind}>"

        clean = self._pattern.sub(replaced, text)
        return clean, found if found else None


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Values of the variables whose names say that they are credentials, longest first; short ones, paths and plain
    words would be found everywhere, so they are left out."""
    values = {value for name, value in environment.items() if _NAMES.search(name) and _is_secret(value)}
    return sorted(values, key=lambda value: (-len(value), value))


def _is_secret(value: str) -> bool:
    plain = value.isalpha() or value.isdigit() or value.startswith("/")
    return len(value) >= _SHORTEST and not plain and not any(letter.isspace() for letter in value)
