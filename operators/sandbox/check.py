"""The candidate and the tests meet only here, as bytes passed from one process to the other unopened. The verdict is
read from the process of the tests alone; whatever the candidate sends goes to the tests as an answer, never to us."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from .bundle import Stage
from .execution import End, Verdict
from .inside.jobs import Trial
from .inside.judge import VERDICT
from .inside.proxy import REQUEST
from .launch import Launch
from .limits import Limits
from .process import Confined, confined


class _Judgement(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["passed", "failed", End]
    asserted: int = 0
    failures: list[str]


async def check_candidate(
    launches: tuple[Launch, Launch], candidate: str, tests: str, entry_point: str | None, limits: Limits
) -> Verdict:
    """Runs the candidate in the first process, the tests in the second, and carries questions and answers."""
    began = time.monotonic()
    trial: Trial = {"entry_point": entry_point}
    stages = Stage("candidate"), Stage("judge", trial)
    async with confined(launches[0], stages[0], limits) as server, confined(launches[1], stages[1], limits) as judge:
        try:
            async with asyncio.timeout(limits.seconds):
                await server.give(candidate)
                await judge.give(tests)
                judgement = await _relayed(server, judge)
        except TimeoutError:
            judgement = _Judgement(status="timeout", failures=[f"wall time of {limits.seconds:g} s ran out"])
    outputs = (server.stdout, judge.stdout, server.stderr, judge.stderr)
    return Verdict(
        **judgement.model_dump(),
        stdout=outputs[0].text + outputs[1].text,
        stderr=outputs[2].text + outputs[3].text,
        seconds=time.monotonic() - began,
        truncated=any(output.truncated for output in outputs),
    )


async def _relayed(server: Confined, judge: Confined) -> _Judgement:
    while (frame := await judge.receive()) is not None:
        kind, payload = frame[:1], frame[1:]
        if kind == VERDICT:
            return _read(payload)
        if kind != REQUEST:
            return _Judgement(status="error", failures=["the tests sent neither a question nor a verdict"])
        server.send(payload)
        answer = await server.receive()
        if answer is None:
            return await _ended(server, "candidate")
        judge.send(answer)
    return await _ended(judge, "tests")


async def _ended(process: Confined, who: str) -> _Judgement:
    status, why = await process.finished(complete=False) or ("error", "it ended")
    return _Judgement(status=status, failures=[f"the {who}: {why}"])


def _read(payload: bytes) -> _Judgement:
    try:
        return _Judgement.model_validate_json(payload)
    except ValidationError:
        return _Judgement(status="error", failures=["the verdict of the tests cannot be read"])
