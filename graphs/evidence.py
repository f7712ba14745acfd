"""What a candidate is worth is read off the memory, never off what a model says about it."""

from __future__ import annotations

from typing import Final

from .memory import Entry, Memory, name_of
from .state import Evidence

CANDIDATES: Final = frozenset({"answer", "code", "vote"})
REJECTED: Final = frozenset({"reject", "major_issues"})
_VERDICTS: Final = {None: 0, "accept": 2, "minor_issues": 1, "major_issues": -2, "reject": -3}


def evidence_for(memory: Memory, key: str) -> Evidence:
    """Latest verdict, latest test and vote share for the candidate at `key`. A test counts for the candidate it ran
    and for the one that a check program was written from."""
    checked = {key, *check_programs(memory, {key})}
    verdict, passed = None, None
    for one in memory.entries:
        if one["kind"] == "review" and key in one["inputs"]:
            verdict = one["verdict"] or verdict
        elif one["kind"] == "test" and checked.intersection(one["inputs"]) and one["passed"] is not None:
            passed = one["passed"]
    support = memory[key]["data"].get("support")
    return Evidence(candidate=key, verdict=verdict, passed=passed, support=support, origin=None)


def check_programs(memory: Memory, candidates: set[str]) -> set[str]:
    """Keys of the programs that were written to check one of `candidates`, repaired ones among them."""
    programs: set[str] = set()
    for one in memory.entries:
        sources = {"GENERATE_CODE": candidates, "REFINE_CODE": programs}.get(one["by"], set())
        if sources.intersection(one["inputs"]):
            programs.add(one["key"])
    return programs - candidates


def contradicted(evidence: Evidence) -> bool:
    """Whether what is known speaks against the candidate. An executed test outweighs a review."""
    if evidence["passed"] is not None:
        return not evidence["passed"]
    return evidence["verdict"] in REJECTED


def best_candidate(memory: Memory) -> str | None:
    """The candidate with the best evidence, the latest of equals; None: the run has produced none."""
    results = {one["key"] for one in memory.entries if is_candidate(one) and one["kind"] != "code"}
    programs = check_programs(memory, results)
    best: tuple[tuple[int, int, float, int], str] | None = None
    for position, one in enumerate(memory.entries):
        if not is_candidate(one) or one["key"] in programs:
            continue
        found = evidence_for(memory, one["key"])
        tested = {True: 1, None: 0, False: -1}[found["passed"]]
        rank = (tested, _VERDICTS.get(found["verdict"], 0), found["support"] or 0.0, position)
        if best is None or rank > best[0]:
            best = (rank, one["key"])
    return best[1] if best else None


def is_candidate(one: Entry) -> bool:
    """Whether an answer can be written from this entry."""
    has_answer = one["answer"] is not None or one["kind"] == "code"
    return one["kind"] in CANDIDATES and has_answer and name_of(one["key"]) != "problem"
