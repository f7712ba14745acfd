"""The operators that come with Flowwright: those of DyFlow (arXiv 2509.26062, Table 6) except TERMINATE, because
finishing is a decision and no operation, and the two that its released code adds; the twelve of FlowSteer (arXiv
2602.01664) under their published names; the answers of AgentFlow (arXiv 2510.05592); and the tools that need no
setting."""

from __future__ import annotations

from .code import GENERATE_CODE, REFINE_CODE, TEST_CODE
from .ensemble import ENSEMBLE, SELF_CONSISTENCY_ENSEMBLE
from .flowsteer import FLOWSTEER_OPERATORS
from .reasoning import (
    DECOMPOSE_PROBLEM,
    DEFAULT,
    DIRECT_ANSWER,
    FULL_ANSWER,
    GENERATE_ANSWER,
    GENERATE_PLAN,
    ORGANIZE_SOLUTION,
    REFINE_ANSWER,
    REVIEW_SOLUTION,
)
from .template import OperatorTemplate
from .tools.algebra import ALGEBRA
from .tools.calculator import CALCULATOR
from .tools.python import PYTHON


def builtin_operators() -> list[OperatorTemplate]:
    """The operators in the order in which a catalogue shows them."""
    return [
        DECOMPOSE_PROBLEM,
        GENERATE_PLAN,
        GENERATE_ANSWER,
        SELF_CONSISTENCY_ENSEMBLE,
        ENSEMBLE,
        REVIEW_SOLUTION,
        REFINE_ANSWER,
        GENERATE_CODE,
        REFINE_CODE,
        TEST_CODE,
        ORGANIZE_SOLUTION,
        DIRECT_ANSWER,
        FULL_ANSWER,
        DEFAULT,
        *FLOWSTEER_OPERATORS,
        PYTHON,
        CALCULATOR,
        ALGEBRA,
    ]
