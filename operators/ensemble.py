"""Agreement is counted in code. A model is asked to choose only among answers that are tied, a bad choice is reported
instead of obeyed, and the whole vote is in the outcome."""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, cast

from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langgraph.errors import GraphBubbleUp

from ..errors import UsageError
from ..sampling import Sampling
from .answers import final_answer
from .approaches import read_approaches
from .choice import read_choice
from .context import render
from .election import Election, Sample, told
from .outcome import Outcome
from .prompt import Prompt
from .reply import one_reply, reply_chain, without_thinking
from .template import Builder, Job, OperatorTemplate

PACKAGE: Final = "flowwright.operators"
SAMPLES: Final = 5
DIVERSE: Final = Sampling(temperature=0.7)
GREEDY: Final = Sampling(temperature=0.0)


def self_consistency(samples: int = SAMPLES) -> OperatorTemplate:
    """SELF_CONSISTENCY_ENSEMBLE with `samples` independent replies to one prompt (Wang et al., arXiv 2203.11171), run
    side by side, each with its own seed. Equal final answers are counted; one more call is made only if the count is
    a tie. Raises UsageError unless `samples` is from 1 to 26."""
    if not 1 <= samples <= len(string.ascii_uppercase):
        raise UsageError(f"{samples} samples cannot be voted on", fix="Ask for 1 to 26")
    return OperatorTemplate(
        name="SELF_CONSISTENCY_ENSEMBLE",
        purpose=f"Solve the problem {samples} times independently and keep the answer most attempts agree on.",
        accepts="the problem; optionally a plan or notes",
        output="vote",
        build=_sampled(samples),
        prompts=tuple(Prompt.load(PACKAGE, f"SELF_CONSISTENCY_ENSEMBLE{part}") for part in ("", ".tie")),
        sampling=DIVERSE,
        max_calls=samples + 1,
    )


def _sampled(samples: int) -> Builder:
    def build(job: Job) -> Runnable[dict[str, Any], Outcome]:
        name = f"operator.{job.template.name}.sample"
        drawn = {
            str(number): _caught(reply_chain(job, _read_sample, sample=number).with_config(run_name=name))
            for number in range(samples)
        }
        settle = partial(_settle, job)

        async def asettle(results: Mapping[str, Sample]) -> Outcome | Runnable[Any, Outcome]:
            return settle(results)

        count = cast("Runnable[Any, Outcome]", RunnableLambda(settle, asettle, name="count votes"))
        return RunnableParallel(drawn) | count

    return build


def _read_sample(text: str) -> Outcome:
    return Outcome(kind="vote", content=text, answer=final_answer(text))


def _caught(chain: Runnable[dict[str, Any], Any]) -> Runnable[Any, Any]:
    """`chain`, invoked with `{}`, with its exception as its result."""

    def run(_: Any, config: RunnableConfig) -> Any:
        return chain.batch([{}], config, return_exceptions=True)[0]

    async def arun(_: Any, config: RunnableConfig) -> Any:
        return (await chain.abatch([{}], config, return_exceptions=True))[0]

    return RunnableLambda(run, arun)


def _settle(job: Job, results: Mapping[str, Sample]) -> Outcome | Runnable[Any, Outcome]:
    """The outcome where the count decides, else the runnable that asks a model."""
    samples = [results[str(number)] for number in range(len(results))]
    errors = [sample for sample in samples if isinstance(sample, Exception)]
    for error in errors:
        if isinstance(error, GraphBubbleUp) or len(errors) == len(samples):
            raise error
    election = Election.of(samples)
    candidates = election.candidates()
    if len(candidates) == 1:
        return election.outcome(candidates[0])
    return _tie_break(job, election, candidates)


def _tie_break(job: Job, election: Election, candidates: list[int]) -> Runnable[Any, Outcome]:
    lettered = dict(zip(string.ascii_uppercase, candidates, strict=False))
    shown = {f"input-{key}" if key in lettered else key: text for key, text in job.inputs.items()}
    texts = {letter: election.samples[number] for letter, number in lettered.items()}
    shown |= {letter: sample.content for letter, sample in texts.items() if isinstance(sample, Outcome)}
    context = render(shown, job.template.bounds)
    assert job.sampler is not None, "bind gives a sampler to every template that needs a model"
    prompt = job.template.prompts[1].chat().partial(context=context, instruction=job.variables()["instruction"])
    model = job.sampler(GREEDY, len(election.samples))
    ask = (prompt | model | StrOutputParser()).with_config(run_name=f"operator.{job.template.name}.tie")

    def conclude(said: str | Exception) -> Outcome:
        if isinstance(said, GraphBubbleUp):
            raise said
        if isinstance(said, Exception):
            return election.outcome(candidates[0], "first", selector_problem=told(said))
        choice = read_choice(without_thinking(said), lettered)
        if choice.letter is None:
            return election.outcome(candidates[0], "first", selector_problem=choice.problem)
        return election.outcome(lettered[choice.letter], "model")

    async def aconclude(said: str | Exception) -> Outcome:
        return conclude(said)

    return _caught(ask) | RunnableLambda(conclude, aconclude, name="break the tie")


SELF_CONSISTENCY_ENSEMBLE: Final = self_consistency()
ENSEMBLE: Final = OperatorTemplate(
    name="ENSEMBLE",
    purpose="Solve the problem by several separate approaches in one reply and keep the result most of them reach.",
    accepts="the problem; optionally a plan or notes",
    output="vote",
    build=one_reply(read_approaches),
    prompts=(Prompt.load(PACKAGE, "ENSEMBLE"),),
    sampling=Sampling(temperature=0.7, max_tokens=4096),
)
