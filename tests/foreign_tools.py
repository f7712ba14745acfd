"""Real foreign tools, and calls of the operators made of them."""

from __future__ import annotations

from typing import Any

import pytest
from flowwright.operators import OperatorTemplate, Outcome
from flowwright.operators.outcome import ToolFault
from flowwright.operators.tools.adapter import tool_operator
from hypothesis import strategies as st
from langchain_core.tools import StructuredTool, tool

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@tool
def multiply(a: int, b: int = 2) -> int:
    """Multiply two integers."""
    return a * b


def call(operator: OperatorTemplate, **arguments: Any) -> Outcome:
    return operator.bind("", {}, arguments=arguments).invoke({})


async def acall(operator: OperatorTemplate, **arguments: Any) -> Outcome:
    return await operator.bind("", {}, arguments=arguments).ainvoke({})


def returning(value: Any, **settings: Any) -> OperatorTemplate:
    """A real tool that returns `value`."""
    return tool_operator(StructuredTool.from_function(lambda: value, name="give", description="Gives.", **settings))


def raising(error: BaseException) -> OperatorTemplate:
    """A real tool that raises `error`."""

    def fail() -> None:
        raise error

    return tool_operator(StructuredTool.from_function(fail, name="fail", description="Fails."))


def fault_from(operator: OperatorTemplate, **arguments: Any) -> ToolFault:
    with pytest.raises(ToolFault) as caught:
        call(operator, **arguments)
    return caught.value
