"""Tokens a second of a model in this process, by the number of concurrent callers: one batch for all of them, against
one `model.generate` at a time under a lock.

Both sides sample the same number of tokens for the same prompts, in turn, in one process with one thread, from random
models with a byte vocabulary (no end token is ever drawn, so each reply has the length that was asked for). Callers
are asynchronous, each makes one call, and replies differ in length by a factor of four. The latency is the wall clock
of one caller, from the common start.

    python benchmarks/local_batching.py

The table is printed; results lie in benchmarks/results/local_batching.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("LANGSMITH_TRACING", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from flowwright.policies.local import ChatLocal
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

RESULTS: Final = Path(__file__).parent / "results" / "local_batching.json"
CALLERS: Final = (1, 8, 32)
REPLY: Final = (24, 48, 96)
"""Completion tokens, in turn."""
PROMPT: Final = (60, 240)
"""Characters of the shortest and the longest prompt, one token each."""
SHAPES: Final = {"0.8M": (128, 4), "13M": (512, 4)}
"""Hidden size and layers."""
TEMPLATE: Final = "{% for m in messages %}{{ m.content }}{% endfor %}"
RATES: Final = {"ratio": "tokens_per_second", "processor_ratio": "tokens_per_processor_second"}
"""The second does not depend on what else the machine is doing."""
Call = Callable[[str, int, int], Awaitable[int]]


def made(hidden: int, layers: int) -> tuple[Any, Any]:
    """A random model and a tokenizer of bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokens.pre_tokenizer, tokens.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, chat_template=TEMPLATE)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=256, hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, head_dim=hidden // 4, eos_token_id=None, bos_token_id=None,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval(), tokenizer


def batched(model: Any, tokenizer: Any) -> Call:
    """The engine."""
    chat = ChatLocal.of(model, tokenizer, version="benchmark")

    async def call(prompt: str, tokens: int, seed: int) -> int:
        asked = chat.model_copy(update={"max_tokens": tokens, "seed": seed})
        message = await asked.ainvoke(prompt)
        return len(message.response_metadata["flowwright"]["token_ids"])

    return call


def one_at_a_time(model: Any, tokenizer: Any) -> Call:
    """`model.generate` with scores under a lock, a thread a call: what `local:` was before it had an engine."""
    lock = threading.Lock()

    def generate(prompt: str, tokens: int, seed: int) -> int:
        with lock, torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            said = [{"role": "user", "content": prompt}]
            read = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
            ids = torch.tensor([read])
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_p=1.0, top_k=0,
                max_new_tokens=tokens, output_scores=True, return_dict_in_generate=True,
            )  # fmt: skip
            sampled = out.sequences[0, len(read) :].tolist()
            logprobs = [
                float(scores[0].log_softmax(-1)[token]) for scores, token in zip(out.scores, sampled, strict=True)
            ]
            return len(logprobs)

    async def call(prompt: str, tokens: int, seed: int) -> int:
        return await asyncio.to_thread(generate, prompt, tokens, seed)

    return call


async def measured(call: Call, callers: int) -> dict[str, float]:
    """All callers at once: tokens a second, and how long callers waited."""
    start, processor = time.perf_counter(), time.process_time()

    async def one(number: int) -> tuple[int, float]:
        prompt = "abcdefgh" * 40
        sampled = await call(prompt[: PROMPT[0] + number * 61 % (PROMPT[1] - PROMPT[0])], REPLY[number % 3], number)
        return sampled, time.perf_counter() - start

    replies = await asyncio.gather(*(one(number) for number in range(callers)))
    wall, processor = time.perf_counter() - start, time.process_time() - processor
    tokens = sum(count for count, _ in replies)
    waits = [seconds for _, seconds in replies]
    shortest = [seconds for number, seconds in enumerate(waits) if number % 3 == 0]
    return {
        "tokens": tokens, "seconds": wall, "tokens_per_second": tokens / wall,
        "processor_seconds": processor, "tokens_per_processor_second": tokens / processor,
        "latency_median": statistics.median(waits), "latency_of_short_replies": statistics.median(shortest),
    }  # fmt: skip


async def compared(shape: tuple[int, int], repeats: int) -> dict[str, Any]:
    """Both sides in turn, the median of `repeats` runs each."""
    model, tokenizer = made(*shape)
    sides = {"batched": batched(model, tokenizer), "one at a time": one_at_a_time(model, tokenizer)}
    told: dict[str, Any] = {}
    for call in sides.values():
        await measured(call, 2)
    for callers in CALLERS:
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for _ in range(repeats):
            for side, call in sides.items():
                runs[side].append(await measured(call, callers))
        medians = {
            side: {name: statistics.median(run[name] for run in group) for name in group[0]}
            for side, group in runs.items()
        }
        told[str(callers)] = medians | {kind: ratios(runs, name) for kind, name in RATES.items()}
    return told


def ratios(runs: dict[str, list[dict[str, float]]], name: str) -> list[float]:
    """Batched to one at a time, run by run: the least, the median, the greatest."""
    pairs = zip(runs["batched"], runs["one at a time"], strict=True)
    found = [new[name] / old[name] for new, old in pairs]
    return [min(found), statistics.median(found), max(found)]


def table_of(shapes: dict[str, Any]) -> Table:
    """One line a model and a number of callers."""
    table = Table(title="Tokens a second in this process, one thread", title_justify="left")
    names = (
        "parameters",
        "callers",
        "one at a time",
        "batched",
        "ratio",
        "ratio, CPU time",
        "short reply waits",
        "before",
    )
    for name in names:
        table.add_column(name, justify="right")
    for shape, told in shapes.items():
        for callers, sides in told.items():
            new, old = sides["batched"], sides["one at a time"]
            table.add_row(
                shape, callers, f"{old['tokens_per_second']:,.0f}", f"{new['tokens_per_second']:,.0f}",
                *("{1:.1f}x ({0:.1f} to {2:.1f})".format(*sides[kind]) for kind in RATES),
                f"{new['latency_of_short_replies']:.2f} s", f"{old['latency_of_short_replies']:.2f} s",
            )  # fmt: skip
    return table


async def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    told = {name: await compared(shape, given.repeats) for name, shape in SHAPES.items()}
    Console(width=140).print(table_of(told))
    stored = {"torch": torch.__version__, "threads": 1, "reply_tokens": REPLY, "repeats": given.repeats, "models": told}
    given.out.write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
