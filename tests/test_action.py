"""What an action is taken from, and what never becomes one."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from flowwright.policies import ReplyError, find_action
from flowwright.policies.escapes import commands
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict


def anything(value: dict[str, Any]) -> dict[str, Any]:
    return value


class Finish(BaseModel):
    """The only action there is."""

    model_config = ConfigDict(extra="forbid")
    finish: str


def finish(value: dict[str, Any]) -> str:
    return Finish.model_validate(value).finish


def code_of(text: str | None, accepts: Any = finish, **options: Any) -> str:
    with pytest.raises(ReplyError) as raised:
        find_action(text, accepts, **options)
    return raised.value.code


# what is found


@pytest.mark.parametrize(
    "text",
    [
        '{"finish": "a"}',
        'Here:\n```json\n{"finish": "a"}\n```\nDone.',
        '```JSON\n{"finish": "a"}\n```',
        '<stage_design>{"finish": "a"}</stage_design>',
        'The set {1,2 has an open brace. {"finish": "a"}',
        'Write {" as the opener. {"finish": "a"}',
        'Start with {"finish": and then the key. {"finish": "a"}',
        '{"note": "small"} and then {"finish": "a"}',
        '{"finish": "a"} which is not {"other": 1}',
        '```json\n{"finish": "draft"}\n```\nNo, better:\n```json\n{"finish": "a"}\n```',
        '[{"finish": "a"}]',
        '{"finish": "a"}}',
        '<think>{"finish": "draft"}</think>{"finish": "a"}',
        '<THINK>no</THINK>\n<think>{"finish": "draft"}</think>{"finish": "a"}',
        'I could {"finish": "draft"} …</think>\n{"finish": "a"}',
        'I could {"finish": "dra </think>\n{"finish": "a"}',
        '{"finish": "a"} <think>or perhaps {"finish": "b"}',
    ],
)
def test_the_last_object_that_fits_is_the_action(text: str) -> None:
    assert find_action(text, finish) == "a"


@pytest.mark.parametrize("inside", ["set {1,2", "} {", '\\"{\\"', "</think>", "<think>", "```", "// no comment"])
def test_nothing_within_a_string_has_a_meaning(inside: str) -> None:
    assert find_action('{"finish": "' + inside + '"}', finish) == inside.replace('\\"', '"')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"finish": "a", }', {"finish": "a"}),
        ("{'finish': 'it's', 'n': None, 'b': True}", {"finish": "it's", "n": None, "b": True}),
        ('{// why "}\n "finish": "a", /* } */ "n": 1 # {\n}', {"finish": "a", "n": 1}),
        ('{"finish": "two\nlines"}', {"finish": "two\nlines"}),
        ('{finish: "a"}', {"finish": "a"}),
        ('{"finish": "he said "hi" twice"}', {"finish": 'he said "hi" twice'}),
        ('{"finish": "a\\\'b"}', {"finish": "a'b"}),
        ('{"finish": it\'s done}', {"finish": "it's done"}),
        ('{"finish": NaN}', {"finish": "NaN"}),
        ('{"finish": "a\r\nb\\r\\nc"}', {"finish": "a\nb\nc"}),
        ("{'steps': [{'set': '{1,2'}, {'set': '}'},], }", {"steps": [{"set": "{1,2"}, {"set": "}"}]}),
    ],
)
def test_nearly_json_is_read_as_it_was_meant(text: str, value: dict[str, Any]) -> None:
    assert find_action(f"So:\n{text}\nThat is all.", anything) == value


# LaTeX

WORDS = (
    "alpha", "beta", "boxed", "bar", "binom", "big", "frac", "forall", "flat", "nu", "neq", "ne", "nabla", "not",
    "notin", "theta", "text", "times", "to", "tau", "tan", "rho", "right", "rangle", "rm", "sqrt", "sum", "upsilon",
    "underline", "uparrow", "varphi", "ell", "left", "mathbb", "quad", "infty", "pi", "cdot", "leq", "geq",
)  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_latex_word_with_one_backslash_survives(word: str) -> None:
    for text in (f"\\{word}", f"x \\{word} y", f"$\\{word}{{1}}_2$", f"\\{word}\\{word}", f"\\(\\{word}\\)"):
        assert find_action('{"finish": "' + text + '"}', finish) == text


@pytest.mark.parametrize("word", [*sorted(commands()["newline"]), *sorted(commands()["tab"])])
def test_every_listed_command_is_preferred_to_newline_and_tab(word: str) -> None:
    assert find_action(f'{{"finish": "\\{word} x"}}', finish) == f"\\{word} x"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"one\ntwo", "one\ntwo"),
        (r"one\n\ttwo", "one\n\ttwo"),
        (r"a\ne.g. b", "a\ne.g. b"),
        (r"x = 1\ni = 2", "x = 1\ni = 2"),
        (r"\nux", "\nux"),
        (r"C:\\new\\table", r"C:\new\table"),
        (r"\\frac{1}{2}\nu = 3", "\\frac{1}{2}\nu = 3"),
        (r"\\alpha", r"\alpha"),
        (r"\u00e9\ud83d\ude00", "é😀"),
        (r"\d+\.\w", r"\d+\.\w"),
        (r"a\/b", "a/b"),
    ],
)
def test_escapes_that_are_meant_stay_escapes(written: str, meant: str) -> None:
    assert find_action('{"finish": "' + written + '"}', finish) == meant


@pytest.mark.parametrize("bad", ["\\u0000", "\\u0008", "\\u001b", "\x00", "\x1b", "\\u007f", "\x9f", "\\ud800"])
def test_no_control_character_is_ever_accepted(bad: str) -> None:
    for text in ('{"finish": "a' + bad + '"}', '{"x' + bad + '": 1, "finish": "a"}'):
        assert code_of(text, anything) == "schema"


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_no_endless_number_is_ever_accepted(number: str) -> None:
    assert code_of('{"n": ' + number + "}", anything) == "schema"


# what is not found


@pytest.mark.parametrize("text", [None, "", " \n\t", "<think>only this</think>\n", "only this</think>"])
def test_nothing_said_is_an_empty_reply(text: str | None) -> None:
    assert code_of(text) == "empty_reply"


@pytest.mark.parametrize(
    "text",
    [
        "I give up.",
        'So {"finish": "draft"} …</think> I give up.',
        "{1,2}",
        "[1, 2]",
        '"finish"',
        "{",
        r"\frac{1}{2}",
        "{x in S}",
    ],
)
def test_a_reply_without_an_object_is_no_json(text: str) -> None:
    assert code_of(text) == ("truncated" if text == "{" else "no_json")


def test_a_refused_object_tells_why_in_the_words_of_the_validator() -> None:
    with pytest.raises(ReplyError) as raised:
        find_action('{"finish": 1} {"finish": "a", "extra": 2} prose', finish, expected='{"finish": KEY}')
    assert raised.value.code == "schema"
    assert "extra" in raised.value.message, "the message is about the last object"
    assert raised.value.expected == '{"finish": KEY}'
    assert "\n" not in str(raised.value)
    assert "http" not in str(raised.value)


def test_an_exception_of_the_schema_that_is_no_refusal_propagates() -> None:
    def broken(value: dict[str, Any]) -> str:
        return str(value["missing"])

    with pytest.raises(KeyError):
        find_action('{"finish": "a"}', broken)


# truncation


@pytest.mark.parametrize(
    "text",
    [
        '{"finish": "a',
        '{"finish": "draft"} no: {"finish": "b',
        '{"finish": "draft"} no: {"finish": ["b", ',
        "{'operators': [{'finish': 'part'}, {'finish': 'part'}, {'fin",
        '{"operators": [{"finish": "part"}, {"fin',
        '```json\n{"operators": [{"finish": "part"},\n```',
        '<think>so far {"finish": "draft"}',
    ],
)
def test_what_is_cut_is_truncated_and_no_part_of_it_is_taken(text: str) -> None:
    assert code_of(text) == "truncated"


@pytest.mark.parametrize("tail", ["", "\n```", "\n```\n</stage_design>\n"])
def test_an_action_that_was_the_last_word_of_a_cut_reply_is_taken(tail: str) -> None:
    assert find_action('{"finish": "a"}' + tail, finish, finish_reason="length") == "a"


@pytest.mark.parametrize("tail", [" But", "\nOn the other hand, {"])
def test_a_draft_followed_by_more_of_a_cut_reply_is_not(tail: str) -> None:
    assert find_action('{"finish": "draft"}' + tail.rstrip(" {"), finish, finish_reason="stop") == "draft"
    assert code_of('{"finish": "draft"}' + tail, finish_reason="length") == "truncated"


def test_a_cut_reply_without_any_object_is_truncated() -> None:
    assert code_of("Let me think about", finish_reason="length") == "truncated"


# properties

_characters = st.characters(blacklist_categories=("Cc", "Cs"))
_plain_text = st.text(st.one_of(_characters, st.sampled_from("\n\t\\\"'/{}[]:,")), max_size=30)
_ambiguous = re.compile(
    "\n(?:{})(?![A-Za-z])|\t(?:{})(?![A-Za-z])".format(
        *("|".join(sorted((c[1:] for c in commands()[kind]), key=len, reverse=True)) for kind in ("newline", "tab"))
    )
)
_strings = _plain_text.filter(lambda text: not _ambiguous.search(text))
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _strings),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_strings, inner, max_size=4)),
    max_leaves=12,
)
_objects = st.dictionaries(_strings, _values, max_size=5)
_prose = st.text(st.characters(blacklist_characters="{}"), max_size=60)


@given(value=_objects, before=_prose, after=_prose, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
@example({"a": "\\nu \\theta"}, "\\", "\\", True, None)
@example({"\\": "\\\\"}, '"', "'", False, None)
def test_any_object_in_any_prose_round_trips(
    value: dict[str, Any], before: str, after: str, ascii_only: bool, indent: int | None
) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert find_action(before + written + after, anything) == value


@given(value=_objects.filter(bool), cut=st.floats(0, 1), before=_prose)
def test_every_proper_prefix_of_an_object_is_truncated(value: dict[str, Any], cut: float, before: str) -> None:
    written = json.dumps({"finish": value})
    prefix = written[: 1 + int(cut * (len(written) - 2))]
    assert code_of(before + prefix, anything) == "truncated"


_PIECES = [
    "{", "}", "[", "]", '"', "'", ":", ",", "\\", "a", '"a"', ": 1", "<think>", "</think>", "```", "//", "/*", "*/",
    "#", "\n", " ", "\\n", "\\u00", "true", "nul", "-", "1e", "NaN", "\x00", "\ud800", '{"a": ', "{'b': '", "é",
]  # fmt: skip
_soup = st.lists(st.sampled_from(_PIECES), max_size=60).map("".join)


@given(text=st.one_of(st.text(), _soup), reason=st.sampled_from([None, "stop", "length"]))
def test_arbitrary_text_gives_an_object_or_a_typed_error(text: str, reason: str | None) -> None:
    try:
        value = find_action(text, anything, finish_reason=reason)
    except ReplyError as refused:
        value = {"code": refused.code, "message": str(refused)}
        assert "\n" not in value["message"]
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


MEGABYTE = 1_000_000
HOSTILE = (
    "{", '{"', "{'", '{"a":', "{'a':", "{'a':'", "{a:", "[", '{"a":[', "{/*", "{//", "{#", '{"\\"', "{' : ", "\\", "'",
    '"', '{"a":1}', "{'a':1}", '{"a":1,}', '{"a": "b" "c"}', '{"a":1,', "{'a':'b' '", "<think>", "</think>", "{ ",
    '{"a":{}, b',
)  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_megabyte_of_anything_ends_within_a_second(unit: str) -> None:
    text = unit * (MEGABYTE // len(unit))
    begun = time.process_time()
    code_of(text, finish)
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_a_typed_error(closed: bool) -> None:
    for opener, closer in (('{"a":', "}"), ("[", "]"), ('{"a":[', "]}"), ("{'a':", "}")):
        text = opener * 100_000 + "1" + (closer * 100_000 if closed else "")
        assert code_of(text, anything) in {"no_json", "schema", "truncated"}
    assert code_of('{"a":' * 80 + "1" + "}" * 80, anything) == "schema"
    assert code_of("{'a':" * 5_000 + "1" + "}" * 5_000, anything) == "no_json"


def test_a_long_honest_reply_is_read() -> None:
    action = {"finish": "x" * 300_000, "steps": [{"n": n, "text": "a {b} c"} for n in range(5_000)]}
    prose = "Some prose with {braces} and \\frac{1}{2}. " * 5_000
    assert find_action(prose + json.dumps(action) + prose, anything) == action
