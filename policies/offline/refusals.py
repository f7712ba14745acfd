"""What cannot be done is said in the same plain words everywhere, and never looks like an answer."""

from __future__ import annotations

from typing import Final

CANNOT: Final = "I am a rule-based offline model and cannot solve this kind of problem."
"""Of whoever works on a problem."""
UNKNOWN: Final = "I am a rule-based offline designer and know no way to solve this kind of problem."
"""Of whoever plans the work."""
UNVERIFIED: Final = "No candidate could be verified within the budget."
FRUITLESS: Final = "Repeated attempts came to no answer at all."
UNTESTABLE: Final = "Without an operator that runs code, no candidate of this kind can be verified."
