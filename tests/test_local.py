"""A model in this process: same seed, same tokens; the log-probabilities are those of the distribution sampled from."""

from __future__ import annotations

from pathlib import Path

import pytest
from flowwright import Context, Policies, UsageError, build_graph
from flowwright.policies.reply import Reply
from flowwright.policies.resolve import resolve
from flowwright.sampling import Sampling
from langgraph.checkpoint.memory import InMemorySaver

torch = pytest.importorskip("torch", reason="torch is not installed")

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of a few thousand weights, with a tokenizer and a chat template of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokens.train_from_iterator(
        ["{}"], trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=8192, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tiny")
    Qwen3ForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def ask(folder: Path, *, seed: int, temperature: float = 0.7, top_p: float | None = None, tokens: int = 24) -> Reply:
    policy = resolve(f"local:{folder}")
    sampling = Sampling(temperature=temperature, max_tokens=tokens, top_p=top_p)
    return Reply.of(policy.at(sampling, seed=seed, key="k").invoke("Say something."))


def test_equal_seeds_sample_equal_tokens_and_leave_the_random_state_alone(folder: Path) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one, same, other = ask(folder, seed=1), ask(folder, seed=1), ask(folder, seed=2)
    assert one == same
    assert one.token_ids != other.token_ids
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, None), (0.5, None), (1.0, 0.3), (0.0, None)])
def test_logprobs_are_of_the_distribution_sampled_from(folder: Path, temperature: float, top_p: float | None) -> None:
    from transformers import AutoModelForCausalLM

    reply = ask(folder, seed=5, temperature=temperature, top_p=top_p)
    assert reply.prompt_token_ids is not None
    assert reply.token_ids is not None
    assert reply.logprobs is not None
    ids = torch.tensor([reply.prompt_token_ids + reply.token_ids])
    logits = AutoModelForCausalLM.from_pretrained(folder).eval()(ids).logits[0, len(reply.prompt_token_ids) - 1 : -1]
    logprobs = (logits / (temperature or 1.0)).log_softmax(-1)
    if top_p is not None:
        ordered, order = logprobs.sort(descending=True)
        outside = (ordered.exp().cumsum(-1) - ordered.exp()) >= top_p
        logprobs = logprobs.masked_fill(outside.gather(-1, order.argsort(-1)), -torch.inf).log_softmax(-1)
    chosen = logprobs.gather(-1, torch.tensor(reply.token_ids)[:, None])[:, 0]
    assert torch.allclose(chosen, torch.tensor(reply.logprobs), atol=1e-4)


def test_a_reply_that_fills_its_limit_says_so(folder: Path) -> None:
    reply = ask(folder, seed=1, tokens=4)
    assert (reply.finish_reason, reply.output_tokens, len(reply.token_ids or ())) == ("length", 4, 4)
    assert Reply.of(reply.as_message()) == reply


def test_a_model_that_cannot_plan_ends_in_an_honest_failure(folder: Path) -> None:
    policies = Policies(designer=f"local:{folder}", executor="offline")
    graph = build_graph("dyflow", policies=policies, checkpointer=InMemorySaver())
    task = {"question": "What is 1+1?", "budget": {"turns": 1, "repairs": 0}}
    result = graph.invoke({"task": task}, {"configurable": {"thread_id": "t"}}, context=Context(seed=1))
    assert (result["status"], result["answer"], result["usage"]["money"]) == ("failed", None, 0.0)


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        resolve(f"local:{tmp_path}/nothing")
    with pytest.raises(UsageError, match="cannot be loaded"):
        resolve(f"local:{tmp_path}").chat.invoke("hi")
