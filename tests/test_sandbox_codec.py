"""decode(encode(x)) == x for plain data, and nothing else has an encoding."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, namedtuple
from enum import IntEnum
from typing import Any

import pytest
from flowwright.operators.sandbox.inside.codec import NotPlainError, decode, encode
from flowwright.operators.sandbox.inside.proxy import reflect, revive
from hypothesis import given
from hypothesis import strategies as st

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()) | st.binary()
    | st.complex_numbers(allow_nan=False) | st.integers(min_value=1 << 70)
)  # fmt: skip
keys = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
plain = st.recursive(
    scalars | keys | st.builds(bytearray, st.binary()),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(keys, inner, max_size=4) | st.sets(keys, max_size=4),
    max_leaves=12,
)  # fmt: skip
changeable = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["int", "float", "bytes", "tuple", "set", "dict", "complex", "x"]), inner, max_size=2),
)  # fmt: skip


def same(left: Any, right: Any) -> bool:
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, dict):
        return all(same(a, b) for a, b in zip(left.items(), right.items(), strict=True))
    return not isinstance(left, (list, tuple)) or all(same(a, b) for a, b in zip(left, right, strict=True))


@given(plain)
def test_plain_data_comes_back_equal_and_of_the_same_type(value: Any) -> None:
    assert same(decode(json.loads(json.dumps(encode(value)))), value)


@given(json_values)
def test_no_json_makes_decode_raise_anything_but_value_error(data: Any) -> None:
    try:
        decode(data)
    except ValueError:
        return


def test_negative_zero_keeps_its_sign() -> None:
    assert str(decode(encode(-0.0))) == "-0.0"


class Colour(IntEnum):
    RED = 1


class Everything(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


def test_a_subclass_arrives_as_what_it_extends() -> None:
    pair = namedtuple("pair", "a b")
    values = [Colour.RED, Everything("x"), pair(1, 2), Counter("aa"), OrderedDict(b=1)]
    decoded = decode(encode(values))
    assert decoded == [1, "x", (1, 2), {"a": 2}, {"b": 1}]
    assert [type(value) for value in decoded] == [int, str, tuple, dict, dict]


@pytest.mark.parametrize("value", [object(), len, int, iter([]), range(3), [{"a": object()}], {1: lambda: 1}])
def test_what_is_not_plain_has_no_encoding(value: Any) -> None:
    with pytest.raises(NotPlainError, match="is not plain data"):
        encode(value)


def test_what_contains_itself_has_no_encoding() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotPlainError, match="containing itself"):
        encode(loop)


@given(st.lists(changeable, max_size=4), st.lists(changeable, max_size=4))
def test_reflecting_a_change_makes_equal_what_stays_the_same_object(given_list: list[Any], changed: list[Any]) -> None:
    inner = [item for item in given_list if isinstance(item, list)]
    reflect(given_list, changed)
    assert given_list == changed
    assert all(type(item) is list for item in inner)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        ({"types": ["ValueError", "Exception"], "args": {"tuple": ["x"]}, "text": "ValueError: x"}, ValueError),
        ({"types": ["Own", "LookupError", "Exception"], "args": {"tuple": [1, 2]}, "text": "Own: 1"}, LookupError),
        ({"types": ["StopIteration", "Exception"], "args": {"tuple": []}, "text": "StopIteration"}, RuntimeError),
        ({"types": ["Sly", "GeneratorExit"], "args": None, "text": "Sly"}, RuntimeError),
        ({"types": ["UnicodeDecodeError", "ValueError"], "args": None, "text": "bad"}, ValueError),
        ({"types": ["eval", "int", "object"], "args": {"tuple": []}, "text": "eval"}, RuntimeError),
    ],
)
def test_an_exception_is_revived_only_as_a_builtin_that_steers_no_loop(raised: Any, kind: type) -> None:
    assert kind in type(revive(raised)).__mro__
    assert not isinstance(revive(raised), (StopIteration, GeneratorExit))
