"""Concurrent calls of a model in this process: each row is what it would be alone, and none waits for more than it must."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flowwright.policies.faults import ProviderError
from flowwright.policies.prefix import Prefix
from flowwright.policies.reply import Reply
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tiny_model import model_of, tokenizer_of

torch = pytest.importorskip("torch", reason="torch is not installed")

from flowwright.policies.local import ChatLocal  # noqa: E402


class Watched:
    """A model with a record of how it was called."""

    def __init__(self, **more: Any) -> None:
        self.model = model_of(**more)
        self.fed: list[tuple[int, int]] = []
        """Rows and columns of each pass, the cache included."""
        self.fail_at: int | None = None
        self.fail_to_read = False
        self.model.register_forward_pre_hook(self._watch, with_kwargs=True)

    def _watch(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids, cache = args[0], kwargs["past_key_values"]
        if self.fail_at == len(self.fed) or (self.fail_to_read and ids.shape[1] > 1):
            self.fail_at, self.fail_to_read = None, False
            raise RuntimeError("out of memory, say")
        self.fed.append((ids.shape[0], ids.shape[1] + cache.get_seq_length()))

    def chat(self, **more: Any) -> ChatLocal:
        return ChatLocal.of(self.model, tokenizer_of(), version="v1", **more)


@pytest.fixture(scope="module")
def chat() -> ChatLocal:
    return ChatLocal.of(model_of(), tokenizer_of(), version="v1")


async def ask(chat: ChatLocal, prompt: str, *, delay: float = 0, **asked: Any) -> Reply:
    await asyncio.sleep(delay)
    bound = {name: asked.pop(name) for name in ("stop", "prefix") if name in asked}
    return Reply.of(await chat.model_copy(update=asked).bind(**bound).ainvoke(prompt))


calls = st.lists(
    st.fixed_dictionaries({
        "prompt": st.integers(0, 60).map(lambda count: "the answer " * count),
        "temperature": st.sampled_from([0.0, 0.3, 1.0, 1.5]),
        "top_p": st.sampled_from([None, 0.2, 0.9]),
        "max_tokens": st.integers(1, 60),
        "seed": st.integers(-(2**63), 2**64),
        "delay": st.floats(0, 0.05),
    }),
    min_size=2, max_size=12,
)  # fmt: skip


def test_a_row_is_the_same_alone_and_in_any_company(chat: ChatLocal) -> None:
    """Within rounding of the border between two tokens, or of a nucleus, lies one draw in about 10^5; a fault would
    show in nearly every row."""
    rows = tokens = flipped = 0

    async def compare(calls: list[dict[str, Any]], crowded: ChatLocal) -> None:
        nonlocal rows, tokens, flipped
        together = await asyncio.gather(*(ask(crowded, **call) for call in calls))
        for call, reply in zip(calls, together, strict=True):
            alone = await ask(chat, **{**call, "delay": 0})
            assert (reply.prompt_token_ids, reply.sent) == (alone.prompt_token_ids, alone.sent)
            rows, tokens = rows + 1, tokens + reply.output_tokens
            if reply.token_ids != alone.token_ids or reply.logprobs != pytest.approx(alone.logprobs, abs=1e-4):
                flipped += 1
                continue
            assert (reply.text, reply.finish_reason) == (alone.text, alone.finish_reason)

    @given(calls, st.integers(1, 6), st.integers(100, 2000))
    @settings(max_examples=15, deadline=None, phases=[Phase.generate])  # which rows meet is a matter of timing
    def in_company(calls: list[dict[str, Any]], rows: int, cells: int) -> None:
        crowded = ChatLocal.of(model_of(), tokenizer_of(), version="v1", max_rows=rows, max_cells=cells)
        asyncio.run(compare(calls, crowded))

    in_company()
    assert tokens > 500
    assert flipped <= 1, f"{flipped} of {rows} rows ({tokens} tokens) changed in company"


async def test_logprobs_in_a_batch_are_of_the_distribution_drawn_from(chat: ChatLocal) -> None:
    asked = [(0.5, None), (1.0, 0.3), (1.5, 0.9), (0.0, 0.3), (1.0, None)]
    replies = await asyncio.gather(
        *(ask(chat, "hi " * n, temperature=t, top_p=p, max_tokens=30, seed=n) for n, (t, p) in enumerate(asked))
    )
    for reply, (temperature, top_p) in zip(replies, asked, strict=True):
        read, sampled = reply.prompt_token_ids or [], reply.token_ids or []
        with torch.inference_mode():
            logits = model_of()(torch.tensor([read + sampled])).logits[0, len(read) - 1 : -1]
        expected = (logits / (temperature or 1.0)).log_softmax(-1)
        if top_p is not None and temperature:
            ordered, order = expected.sort(descending=True)
            outside = (ordered.exp().cumsum(-1) - ordered.exp()) >= top_p
            expected = expected.masked_fill(outside.gather(-1, order.argsort(-1)), -torch.inf).log_softmax(-1)
        chosen = expected.gather(-1, torch.tensor(sampled)[:, None])[:, 0]
        assert torch.tensor(reply.logprobs) == pytest.approx(chosen, abs=1e-4)
        assert (reply.logprobs_mode, reply.version) == ("processed", "v1")


async def test_rows_and_cells_are_bounded_and_callers_still_get_everything() -> None:
    watched = Watched()
    chat = watched.chat(max_rows=5, max_cells=180)
    replies = await asyncio.gather(*(ask(chat, "the " * n, max_tokens=60, seed=n) for n in range(16)))
    assert len(replies) == 16
    assert max(rows for rows, _ in watched.fed) > 2
    assert all(rows <= 5 and (rows == 1 or rows * columns <= 180) for rows, columns in watched.fed)


async def test_what_is_short_or_comes_late_is_not_held_up_by_what_is_long() -> None:
    watched = Watched()
    chat = watched.chat()
    done: list[str] = []

    async def one(name: str, tokens: int) -> None:
        await ask(chat, "go on", max_tokens=tokens, seed=endless)
        done.append(name)

    endless = await seed_without_end(chat, "go on", 400)
    long = asyncio.create_task(one("long", 400))
    short = asyncio.create_task(one("short", 2))
    await short
    await one("late", 3)
    assert not long.done()
    await long
    assert done == ["short", "late", "long"]
    assert watched.fed[-1][0] == 1, "rows that are done leave the batch"


async def seed_without_end(chat: ChatLocal, prompt: str, tokens: int) -> int:
    """A seed under which the model goes on for that long."""
    for seed in range(100):
        if (await ask(chat, prompt, max_tokens=tokens, seed=seed)).finish_reason == "length":
            return seed
    raise AssertionError("none of 100 seeds goes on for so long")


async def test_a_caller_who_goes_away_takes_the_row_along() -> None:
    watched = Watched()
    chat = watched.chat()
    seed = await seed_without_end(chat, "go on", 200)
    expected = await ask(chat, "go on", max_tokens=200, seed=seed)
    del watched.fed[:]
    gone = asyncio.create_task(ask(chat, "the answer", max_tokens=8000, seed=seed))
    stays = asyncio.create_task(ask(chat, "go on", max_tokens=200, seed=seed))
    while 2 not in [rows for rows, _ in watched.fed]:
        await asyncio.sleep(0.001)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert (await stays).token_ids == expected.token_ids
    assert watched.fed[-1][0] == 1


async def test_an_error_of_the_model_reaches_its_callers_and_the_engine_lives_on() -> None:
    watched = Watched()
    chat = watched.chat()
    expected = await ask(chat, "hi", max_tokens=5, seed=1)
    watched.fail_at = len(watched.fed) + 4
    told = await asyncio.gather(*(ask(chat, "hi", max_tokens=500, seed=n) for n in range(4)), return_exceptions=True)
    failed = [one for one in told if isinstance(one, BaseException)]
    assert failed
    assert all(isinstance(one, ProviderError) and one.retryable and "out of memory" in str(one) for one in failed)
    assert (await ask(chat, "hi", max_tokens=5, seed=1)).token_ids == expected.token_ids


async def test_a_failure_to_join_leaves_those_that_decode_as_they_are() -> None:
    watched = Watched()
    chat = watched.chat()
    seed = await seed_without_end(chat, "go on", 300)
    expected = await ask(chat, "go on", max_tokens=300, seed=seed)
    del watched.fed[:]
    decodes = asyncio.create_task(ask(chat, "go on", max_tokens=300, seed=seed))
    while len(watched.fed) < 3:
        await asyncio.sleep(0.001)
    watched.fail_to_read = True
    with pytest.raises(ProviderError, match="out of memory"):
        await ask(chat, "hi")
    assert not decodes.done()
    assert (await decodes).token_ids == expected.token_ids


async def test_probabilities_that_are_none_are_a_fault_and_not_a_reply() -> None:
    model = model_of()
    with torch.no_grad():
        model.lm_head.weight[7] = torch.nan
    chat = ChatLocal.of(model, tokenizer_of(), version="v1")
    with pytest.raises(ProviderError, match="no probabilities"):
        await ask(chat, "hi")


async def test_a_prompt_that_cannot_be_read_concerns_its_caller_alone(chat: ChatLocal) -> None:
    small = ChatLocal.of(model_of(context=64), tokenizer_of(), version="v1")
    fits, too_long, alien = await asyncio.gather(
        ask(small, "hi", seed=1, max_tokens=500), ask(small, "the answer " * 40),
        ask(small, "hi", prefix=Prefix(1, [5, 300])), return_exceptions=True,
    )  # fmt: skip
    assert isinstance(too_long, ProviderError)
    assert (too_long.code, too_long.retryable) == ("context_overflow", False)
    assert isinstance(alien, ProviderError)
    assert alien.code == "invalid_request"
    assert isinstance(fits, Reply)
    assert fits.finish_reason == "stop" or fits.input_tokens + fits.output_tokens == 64


async def test_a_stop_text_ends_the_reply_and_its_tokens_are_kept(chat: ChatLocal) -> None:
    whole = await ask(chat, "hi", max_tokens=40, seed=3)
    stop = whole.text[10:13]
    cut = await ask(chat, "hi", max_tokens=40, seed=3, stop=[stop])
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish_reason == "stop"
    count = len(cut.token_ids or ())
    assert cut.token_ids == (whole.token_ids or [])[:count]
    assert 0 < count < len(whole.token_ids or ())


async def test_no_thread_a_call(chat: ChatLocal) -> None:
    await ask(chat, "hi", max_tokens=1)
    before = threading.active_count()
    tasks = [asyncio.create_task(ask(chat, "hi", max_tokens=30, seed=n)) for n in range(40)]
    await asyncio.sleep(0.01)
    assert threading.active_count() <= before
    await asyncio.gather(*tasks)


def test_synchronous_callers_share_the_batch() -> None:
    watched = Watched()
    chat = watched.chat(max_tokens=50)
    alone = [chat.model_copy(update={"seed": seed}).invoke("hi").content for seed in range(6)]
    del watched.fed[:]
    together: list[Any] = [None] * 6

    def call(seed: int) -> None:
        together[seed] = chat.model_copy(update={"seed": seed}).invoke("hi").content

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert max(rows for rows, _ in watched.fed) > 1


def test_without_a_seed_one_is_drawn_and_reported(chat: ChatLocal) -> None:
    first, second = (Reply.of(chat.invoke("hi")) for _ in range(2))
    assert first.sent is not None
    assert second.sent is not None
    assert first.sent["seed"] != second.sent["seed"]
    again = Reply.of(chat.model_copy(update={"seed": first.sent["seed"]}).invoke("hi"))
    assert again == first


def engines(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if name in thread.name]


def test_the_engine_ends_with_the_last_holder_of_the_weights() -> None:
    chat = ChatLocal.of(model_of(), tokenizer_of(), version="v1", name="collected")
    assert not engines("collected"), "nothing runs before the first call"
    copy = chat.model_copy(update={"seed": 1, "max_tokens": 3})
    copy.invoke("hi")
    del chat
    gc.collect()
    copy.invoke("hi")
    assert len(engines("collected")) == 1
    del copy
    gc.collect()
    for _ in range(1000):
        if not engines("collected"):
            return
        time.sleep(0.01)
    raise AssertionError("the engine's thread outlives its weights")


ENDS_IN_THE_MIDST = """
import asyncio, os, sys
sys.path.insert(0, {tests!r})
from tiny_model import model_of, tokenizer_of
from flowwright import UsageError
from flowwright.policies.local import ChatLocal
chat = ChatLocal.of(model_of(), tokenizer_of(), version="v1", max_tokens=8000)
chat.model_copy(update=dict(max_tokens=2)).invoke("hi")
child = os.fork()
if not child:
    try:
        chat.invoke("hi")
    except UsageError as error:
        sys.exit(7 if "fork" in str(error) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
requests = [chat._request([], None, None) for _ in range(3)]
replies = [chat._engine.submit(request) for request in requests]
print("out")
"""


def test_a_fork_is_told_and_a_process_may_end_while_the_engine_works() -> None:
    script = ENDS_IN_THE_MIDST.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "")


def test_a_model_left_in_training_mode_is_sampled_without_dropout() -> None:
    model = model_of(attention_dropout=0.5)
    chat = ChatLocal.of(model, tokenizer_of(), version="v1", max_tokens=20, seed=1)
    expected = Reply.of(chat.invoke("hi")).logprobs
    model.train()
    assert Reply.of(chat.invoke("hi")).logprobs == pytest.approx(expected, abs=1e-4)
