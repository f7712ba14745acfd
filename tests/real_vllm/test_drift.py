"""No token differs between what a real server sampled and what is kept for training, though its tokenizer hardly ever
gives back what was sampled. A proxy between the two is the witness."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from flowwright.checkpoints.open import open_checkpointer
from flowwright.checkpoints.runner import start_run
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.rows import rows_of
from flowwright.checkpoints.trajectories.token_row import TokenRow
from flowwright.checkpoints.trajectories.trajectory import Trajectory
from flowwright.graphs.build import build_graph
from flowwright.graphs.context import Context
from flowwright.graphs.flowsteer import DEFAULT, PAPER, FlowSteer
from flowwright.policies import Policies, Reply, resolve
from flowwright.policies.prefix import Prefix
from flowwright.sampling import Sampling
from real_vllm.drifting_model import LETTERS
from real_vllm.running import Running
from real_vllm.witness import Seen, witnessed

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
RUNS, CONSTRAINED_RUNS, TURNS, AT_ONCE = 170, 4, 6, 32
SHORT = Sampling(temperature=1.0, max_tokens=16)


class BriefFlowSteer(FlowSteer):
    """FlowSteer with short replies: free text in tags, or an action that a grammar constrains."""

    presets = MappingProxyType(
        {
            "free": replace(PAPER, name="free", designer=SHORT, operators=PAPER.operators[:2]),
            "constrained": replace(DEFAULT, name="constrained", designer=replace(SHORT, max_tokens=48)),
        }
    )


@dataclass(frozen=True)
class Kept:
    """What is kept of all runs, beside what passed the wire."""

    trajectories: list[Trajectory]
    rows: list[tuple[Trajectory, TokenRow]]
    ledger: Ledger
    seen: dict[str, Seen]

    def calls(self) -> Iterator[tuple[list[int], list[float], list[int], Seen]]:
        """Of each trained call: its tokens and log-probs in the row, all before it, and what the server said."""
        for run, row in self.rows:
            for span in row.spans:
                place = slice(span.start, span.stop)
                yield row.ids[place], row.logprobs[place], row.ids[: span.start], self.seen[run.by_id[span.call]["key"]]


@pytest.fixture(scope="module")
def kept(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return asyncio.run(run_all(server, f"sqlite:///{tmp_path_factory.mktemp('runs') / 'runs.db'}"))


async def run_all(server: Running, location: str) -> Kept:
    """Whole FlowSteer runs, many at once, and their rows as training reads them from the store."""
    gate = asyncio.Semaphore(AT_ONCE)
    saver = open_checkpointer(location)
    try:
        async with witnessed(server.root) as witness:
            policies = Policies(designer=f"vllm:tiny@{witness.url}", executor="offline")
            graphs = {
                preset: build_graph(BriefFlowSteer(), policies=policies, preset=preset, checkpointer=saver)
                for preset in BriefFlowSteer.presets
            }

            async def run(preset: str, number: int) -> None:
                context = Context(seed=number, budget={"turns": TURNS})
                async with gate:
                    await start_run(graphs[preset], {"question": question(number)}, f"{preset}-{number}", context)

            async with asyncio.TaskGroup() as group:
                for preset, count in (("free", RUNS), ("constrained", CONSTRAINED_RUNS)):
                    for number in range(count):
                        group.create_task(run(preset, number))
        assert not witness.twice
        ledger = Ledger()
        trajectories = [run for tree in load_trajectories(saver) for run in tree.trajectories]
        rows = [(run, row) for run in trajectories for row in rows_of(run, ledger=ledger)]
        return Kept(trajectories, rows, ledger, witness.by_key)
    finally:
        saver.close()


def question(number: int) -> str:
    return f"What is {number} + {3 * number}, and {''.join(random.Random(number).choices(LETTERS, k=12))}?"


def test_enough_was_sampled_and_every_call_is_accounted_for(kept: Kept) -> None:
    assert len(kept.seen) >= 1_000
    assert kept.ledger.read == kept.ledger.trained == len(kept.seen)
    assert kept.ledger.unaccounted == 0
    assert not kept.ledger.dropped
    finishes = Counter(call["finish_reason"] for run in kept.trajectories for call in run.calls)
    assert finishes["stop"] > 100
    assert finishes["length"] > 100


def test_a_run_is_one_row_of_all_its_turns(kept: Kept) -> None:
    assert len(kept.rows) == len(kept.trajectories) == RUNS + CONSTRAINED_RUNS
    assert not kept.ledger.forked
    for run, row in kept.rows:
        assert len(row.spans) == len(run.calls) >= TURNS
    bridged = Counter(seen.path for seen in kept.seen.values())
    assert bridged["/v1/completions"] == kept.ledger.merged == len(kept.seen) - len(kept.rows)


def test_no_token_differs_between_the_rows_and_what_the_server_read_and_sampled(kept: Kept) -> None:
    compared = 0
    for tokens, logprobs, before, seen in kept.calls():
        assert tokens == seen.sampled
        assert before == seen.read
        assert logprobs == seen.logprobs
        compared += len(tokens)
    assert compared == sum(len(seen.sampled) for seen in kept.seen.values()) == kept.ledger.sampled_tokens
    for _, row in kept.rows:
        spans = {place for span in row.spans for place in range(span.start, span.stop)}
        assert {place for place, sampled in enumerate(row.sampled) if sampled} == spans


def test_every_record_knows_which_distribution_its_log_probs_belong_to(kept: Kept) -> None:
    spans = [(run, span) for run, row in kept.rows for span in row.spans]
    assert {span.logprobs_mode for _, span in spans} == {"processed"}
    assert all(span.constrained == (run.preset == "constrained") for run, span in spans)
    assert 0 < kept.ledger.forced_tokens < kept.ledger.sampled_tokens


def test_the_same_check_fails_on_rows_that_are_encoded_from_text(kept: Kept, words: Any) -> None:
    """What others do: a conversation as text, through the template and the tokenizer."""
    free = [(run, row) for run, row in kept.rows if run.preset == "free"]
    differing = 0
    for run, row in free:
        said = run.spoken(row.spans[-1].call).conversation
        again = words.apply_chat_template(said, tokenize=True, return_dict=False)
        differing += again[: len(row.ids)] != row.ids
    assert differing > 0.99 * len(free)
    replies = [run.by_id[span.call] for run, row in free for span in row.spans]
    drifted = sum(words.encode(one["reply"]) != plain(words, one["token_ids"]) for one in replies)
    assert drifted > 0.7 * len(replies)


def plain(words: Any, tokens: list[int] | None) -> list[int]:
    """Without the end token, which is not part of the text."""
    return [token for token in tokens or [] if token not in words.all_special_ids]


@pytest.fixture(scope="module")
def words(model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


async def test_a_conversation_without_a_graph_is_bridged_as_well(server: Running) -> None:
    """`prefix=` is all that it takes: temperatures change, some replies end by themselves, some are cut."""

    async def talk(number: int, url: str) -> list[tuple[str, Reply]]:
        policy, draw, row, messages, replies = resolve(f"vllm:tiny@{url}"), random.Random(number), [], [], []
        for turn in range(5):
            prefix = Prefix(len(messages), row) if turn else None
            messages.append({"role": "user", "content": "".join(draw.choices(LETTERS + " .", k=24))})
            sampling = Sampling(temperature=draw.choice((0.7, 1.0, 1.3)), max_tokens=24)
            chat = policy.at(sampling, seed=1000 * number + turn, key=f"c{number}t{turn}", prefix=prefix)
            reply = Reply.of(await chat.ainvoke(list(messages)))
            assert reply.prompt_token_ids is not None
            assert reply.prompt_token_ids[: len(row)] == row, "the prompt does not continue what came before"
            row = reply.prompt_token_ids + (reply.token_ids or [])
            messages.append({"role": "assistant", "content": reply.text})
            replies.append((f"c{number}t{turn}", reply))
        return replies

    async with witnessed(server.root) as witness:
        said = [
            one for talked in await asyncio.gather(*(talk(one, witness.url) for one in range(20))) for one in talked
        ]
    assert len(said) == len(witness.by_key) == 100
    for key, reply in said:
        seen = witness.by_key[key]
        assert (reply.prompt_token_ids, reply.token_ids, reply.logprobs) == (seen.read, seen.sampled, seen.logprobs)
