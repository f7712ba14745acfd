"""What a stranger says of a tool: its name, its description and the schema of its arguments."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Literal

import pytest
from flowwright.errors import UsageError
from flowwright.operators.tools.adapter import tool_operator
from flowwright.operators.tools.names import distinct, one_line, operator_name
from flowwright.operators.tools.schema import BadSchema, parameters_of
from foreign_tools import multiply
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

# -- names


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ("add", "ADD"), ("getWeather", "GET_WEATHER"), ("HTTPGet", "HTTP_GET"), ("search-pages", "SEARCH_PAGES"),
        ("a.b/c d", "A_B_C_D"), ("__x__", "X"), ("búsqueda", "BUSQUEDA"), ("v2_add3", "V2_ADD3"),
        ("</tool>", "TOOL"),
    ],
)  # fmt: skip
def test_a_name_is_the_tools_own_in_upper_snake_case(own: str, name: str) -> None:
    assert operator_name(own) == name


@pytest.mark.parametrize("own", ["", "搜索", "3d", "x" * 65, "---"])
def test_a_tool_that_cannot_be_named_is_refused_unless_a_name_is_given(own: str) -> None:
    with pytest.raises(UsageError, match=r"Pass name="):
        operator_name(own)
    assert operator_name(own, "FIND") == "FIND"
    with pytest.raises(UsageError, match="cannot be called 'find it'"):
        operator_name("find", "find it")


def test_two_tools_with_one_name_are_refused_with_both_origins() -> None:
    operator = tool_operator(multiply)
    with pytest.raises(UsageError, match="two tools would be called MULTIPLY: a of x and b of y"):
        distinct([(operator, "a of x"), (operator, "b of y")])


@given(st.text(max_size=200), st.integers(10, 80))
def test_a_strangers_text_becomes_one_bounded_line_that_opens_no_tag(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable() or not line
    assert line == one_line(line, limit) or "<" in line
    assert not re.search("<[/!?]?[A-Za-z]", line)


# -- schemas


class Node(BaseModel):
    value: int
    inner: list[Node] = Field(default_factory=list)
    left: Node | None = None
    right: Node | None = None


class Question(BaseModel):
    """What to find."""

    text: str = Field(description="What to\nfind </context>", min_length=1, pattern="^a")
    kind: Literal["web", "book"] = "web"
    tree: Node | None = None


def test_a_schema_is_inlined_bounded_and_keeps_what_it_demands() -> None:
    schema = parameters_of("FIND", Question.model_json_schema())
    told = json.dumps(schema)
    assert "$ref" not in told
    assert "$defs" not in told
    assert "title" not in told
    assert "pattern" not in told
    assert schema["properties"]["text"] == {
        "description": r"What to find <\/context>",
        "minLength": 1,
        "type": "string",
    }
    assert schema["properties"]["kind"] == {"default": "web", "enum": ["web", "book"], "type": "string"}
    valid = Draft202012Validator(schema).is_valid
    assert valid({"text": "a", "tree": {"value": 1, "inner": [{"value": 2}]}})
    assert not valid({"text": "a", "tree": {"value": "1"}})
    assert not valid({"text": "a", "tree": {"inner": []}})
    assert not valid({"text": "a", "extra": 1})


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "array"}, "are not an object"),
        ({}, "are not an object"),
        ({"type": ["object", "null"]}, "are not an object"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/x"}}}, "points out of it"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/None"}}}, "points to nothing"),
        ({"type": "object", "properties": {"a": {"$ref": "#/type/x"}}}, "points to nothing"),
        ({"type": "object", "properties": {"a": {"$ref": "#/required/0"}}, "required": []}, "points to nothing"),
        ({"type": "object", "properties": {"a": {"$ref": 7}}}, "7 points out of it"),
        ({"type": "object", "properties": {"a": {"type": "strange"}}}, "is malformed"),
        ({"type": "object", "properties": {"a": {"default": math.nan}}}, "is malformed"),
        ({"type": "object", "properties": [1]}, "properties that are not an object"),
        ({"type": "object", "properties": {"a": 1}}, "int where a schema belongs"),
        ({"type": "object", "properties": {"a": {"enum": ["x" * 20_000]}}}, "characters"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSchema, match=told):
        parameters_of("T", schema)


def test_references_reach_every_place_of_the_schema_itself() -> None:
    made = {"a": {"anyOf": [{"type": "string"}, True, False]}, "b/c": {"type": "integer"}}
    refs = {name: {"$ref": f"#/properties/{to}"} for name, to in [("d", "a/anyOf/0"), ("e", "a/anyOf/1")]}
    refs |= {
        "f": {"$ref": "#/properties/a/anyOf/2"},
        "g": {"$ref": "#/properties/b~1c", "minimum": 2, "type": "number"},
    }
    kept = parameters_of("T", {"type": "object", "properties": made | refs})
    valid = Draft202012Validator(kept).is_valid
    assert valid({"d": "x", "e": [1], "g": 2})
    assert not any(valid(each) for each in ({"d": 1}, {"f": 1}, {"g": 1}, {"g": 2.5}))


def test_arguments_that_a_dropped_pattern_allows_are_not_refused() -> None:
    headers = {"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": False}
    for schema in (headers, {"type": "object", "properties": {"headers": headers}}):
        kept = parameters_of("T", schema)
        assert Draft202012Validator(kept).is_valid({"x-a": "1"} if schema is headers else {"headers": {"x-a": "1"}})


def test_a_schema_that_unfolds_without_end_is_refused_or_opened_not_followed() -> None:
    bomb = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 9} for level in range(30)}
    bomb["d30"] = {"type": "string"}  # type: ignore[dict-item]
    with pytest.raises(BadSchema, match="more than 2,000 parts"):
        parameters_of("T", {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": bomb})
    loop = {"type": "object", "$ref": "#", "properties": {"a": {"$ref": "#/properties/a"}, "b": {"type": "string"}}}
    valid = Draft202012Validator(parameters_of("T", loop)).is_valid
    assert valid({"a": 1})
    assert not valid({"b": 1})
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    assert len(json.dumps(parameters_of("T", {"type": "object", "properties": {"a": deep}}))) < 1_500


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    leaf = st.sampled_from(
        [
            {"type": "string", "pattern": "^a"}, {"type": "integer", "minimum": 2}, {"const": 1}, {"enum": ["a", None]},
            {"type": ["string", "null"], "maxLength": 1}, {}, {"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"},
        ]
    )  # fmt: skip

    def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=1, max_size=3)
        named = st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
        return (
            st.builds(lambda key, each: {key: each}, st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"]), several)
            | inner.map(lambda each: {"not": each})
            | inner.map(lambda each: {"type": "array", "items": each})
            | st.tuples(inner, inner).map(lambda two: {"if": two[0], "then": two[1]})
            | inner.map(lambda each: {"$ref": "#/$defs/two", "description": "more", "contains": each})
            | st.builds(
                lambda some, most, key: {"type": "object", "properties": some, "patternProperties": most, key: False},
                named, named, st.sampled_from(["additionalProperties", "unevaluatedProperties"]),
            )
        )  # fmt: skip

    return st.recursive(leaf, around, max_leaves=5)


ONE: dict[str, Any] = {"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "b$"}]}
TWO: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#/$defs/two"}, "b": {"$ref": "#/$defs/one"}}}
SMALL: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["a", "b", "ab", "c", 1, 2, 3, None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=2),
    max_leaves=5,
)


@given(schemas(), SMALL)
@settings(max_examples=300, deadline=None)
def test_whatever_the_tools_own_schema_takes_the_kept_one_takes(inner: dict[str, Any], value: Any) -> None:
    schema = {"type": "object", "properties": {"x": inner}, "$defs": {"one": ONE, "two": TWO}}
    if Draft202012Validator(schema).is_valid({"x": value}):
        assert Draft202012Validator(parameters_of("T", schema)).is_valid({"x": value})


def test_the_version_changes_with_the_schema_the_description_and_the_revision() -> None:
    def made(description: str = "Find.", kind: str = "string", **terms: Any) -> str:
        schema = {"type": "object", "properties": {"q": {"type": kind}}}
        found = StructuredTool(name="find", description=description, args_schema=schema, func=lambda q: q)
        return tool_operator(found, **terms).version

    assert made() == made()
    assert len({made(), made(description="Seek."), made(kind="integer"), made(revision=2), made(name="SEEK")}) == 5
