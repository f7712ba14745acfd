r"""LaTeX survives JSON: a backslash that a model forgot to double comes out as the LaTeX word it began.

The rule, for a backslash in a reply (an even number of them is left as it is, and so are `\"`, `\/` and `\uXXXX`):

- `\b` and `\f` are never what a model means in JSON: `\boxed`, `\beta`, `\frac`, `\forall` are taken as written;
- `\n` and `\t` stay newline and tab, unless the letters after the backslash spell a LaTeX command exactly (`\nu`,
  `\neq`, `\theta`, `\text`; `latex.toml` has the list): then they are that command. `\n` stays a newline in any case
  where the reply doubles backslashes before letters elsewhere, which shows that its writer escapes;
- `\r` before letters is a command (`\rho`, `\right`), elsewhere a line end;
- every other backslash (`\alpha`, `\(`, `\d`) is no JSON escape at all and stands for itself; `\'` is an apostrophe.

What this costs: a newline or tab right before the rest of such a command (`"\n" + "u"`) comes out as the command.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

_ESCAPE = re.compile(r"\\(?:(u[0-9A-Fa-f]{4})|([A-Za-z]+)|(.?))", re.DOTALL)
_DOUBLED = re.compile(r"(?<!\\)(?:\\\\)+(?=[A-Za-z])")
_ABBREVIATED = frozenset({"ne", "neg"})
"""`\\ne.g.` is a line that begins with "e.g."."""


def repaired(text: str) -> str:
    """`text` with its backslashes as JSON wants them, by the rule above, and every line end as a newline."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\\" not in text:
        return text
    careful = _DOUBLED.search(text) is not None

    def repair(found: re.Match[str]) -> str:
        if found[1]:
            return found[0]
        return _letters(found, careful) if found[2] else _other(found[3])

    return _ESCAPE.sub(repair, text)


@cache
def commands() -> dict[str, frozenset[str]]:
    """The LaTeX commands of `latex.toml`, by the escape they begin like: `newline`, `tab`."""
    data = tomllib.loads(files(__package__).joinpath("latex.toml").read_text("utf-8"))
    return {escape: frozenset(names) for escape, names in data.items()}


def _letters(found: re.Match[str], careful: bool) -> str:
    word = found[2]
    if word[0] == "n":
        dotted = word in _ABBREVIATED and found.string.startswith(".", found.end())
        command = word in commands()["newline"] and not careful and not dotted
    elif word[0] == "t":
        command = word in commands()["tab"]
    elif word == "r":
        return "" if found.string.startswith("\\n", found.end()) else r"\n"
    else:
        command = True
    return "\\" + found[0] if command else found[0]


def _other(character: str) -> str:
    if character == "'":
        return character
    return "\\" + character if character and character in '"\\/' else "\\\\" + character
