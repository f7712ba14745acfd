"""A model in this process: same seed, same tokens; the log-probabilities are those of the distribution sampled from."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from flowwright import Context, Policies, UsageError, build_graph
from flowwright.policies.faults import ProviderError
from flowwright.policies.prefix import Prefix
from flowwright.policies.reply import Reply
from flowwright.policies.resolve import resolve
from flowwright.sampling import Sampling
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from tiny_model import END, TEMPLATE, model_of, tokenizer_of, write_model

torch = pytest.importorskip("torch", reason="torch is not installed")

from flowwright.policies.local import ChatLocal  # noqa: E402
from flowwright.policies.local.weights import Loaded, load  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny"))


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


# Bridged prompts.

CHATML = (
    "{% if messages[0].role != 'system' %}<|system|>qzq You know it.<|end|>\n{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
THINKS = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role == 'assistant' and loop.last %}thought:{% endif %}{{ m.content.split('hm')[-1] | trim }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STRICT = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
texts = st.one_of(st.text(max_size=20), st.sampled_from(["y", "qzq", "qzqzq", "hm", "the answer", " "]))


def chat_of(template: str, **more: Any) -> ChatLocal:
    return ChatLocal.of(model_of(), tokenizer_of(template), version="v1", **{"max_tokens": 6, "seed": 1, **more})


def said(chat: ChatLocal, messages: list[BaseMessage], prefix: Prefix | None = None) -> Reply:
    return Reply.of((chat.bind(prefix=prefix) if prefix else chat).invoke(messages))


def tokens(reply: Reply) -> list[int]:
    return [*(reply.prompt_token_ids or []), *(reply.token_ids or [])]


CHATS = {name: chat_of(template) for name, template in {"plain": TEMPLATE, "chatml": CHATML, "thinks": THINKS}.items()}
BEHIND = {"plain": "<|user|>{}<|end|><|assistant|>", "chatml": "\n<|user|>\n{}<|end|>\n<|assistant|>\n",
          "thinks": "<|user|>{}<|end|><|assistant|>"}  # fmt: skip


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(sorted(CHATS)), st.lists(texts, min_size=2, max_size=4), st.integers(0, 9))
def test_a_conversation_goes_on_with_the_tokens_that_were_sampled(name: str, asked: list[str], seed: int) -> None:
    chat = CHATS[name].model_copy(update={"seed": seed})
    messages: list[BaseMessage] = [HumanMessage("first")]
    reply = said(chat, messages)
    for question in asked:
        before = tokens(reply)
        messages += [AIMessage(reply.text), HumanMessage(question)]
        reply = said(chat, messages, Prefix(len(messages) - 1, before))
        shown = question.split("hm")[-1].strip() if name == "thinks" else question
        behind = tokenizer_of()(BEHIND[name].format(shown), add_special_tokens=False)["input_ids"]
        assert reply.prompt_token_ids == [*before, *([] if before[-1] == END else [END]), *behind]


def test_tokens_are_kept_that_a_tokenizer_would_never_choose() -> None:
    """`the answer`, sampled byte by byte."""
    chat, tokenizer = chat_of(TEMPLATE), tokenizer_of()
    drifted = [tokenizer.convert_tokens_to_ids(letter) for letter in "theĠanswer"]
    assert tokenizer.decode(drifted) == "the answer"
    assert tokenizer("the answer")["input_ids"] != drifted
    start = said(chat, [HumanMessage("q")]).prompt_token_ids or []
    conversation = [HumanMessage("q"), AIMessage("the answer"), HumanMessage("and?")]
    bridged = said(chat, conversation, Prefix(2, [*start, *drifted, END])).prompt_token_ids or []
    rendered = said(chat, conversation).prompt_token_ids or []
    assert bridged[: len(start) + len(drifted) + 1] == [*start, *drifted, END]
    assert rendered[: len(start) + len(drifted)] != [*start, *drifted]
    assert tokenizer.decode(bridged) == tokenizer.decode(rendered)


def test_what_a_template_does_not_bridge_is_rendered_whole() -> None:
    chat = chat_of(STRICT)
    conversation = [HumanMessage("q"), AIMessage("a"), HumanMessage("and?")]
    whole = said(chat, conversation).prompt_token_ids
    assert said(chat, conversation, Prefix(4, [7, 8])).prompt_token_ids == whole
    assert (said(chat, conversation, Prefix(2, [7, 8])).prompt_token_ids or [])[:2] == [7, 8]
    two = [HumanMessage("q"), AIMessage("a"), SystemMessage("s"), HumanMessage("and?")]
    with pytest.raises(ProviderError, match="alternate"):
        said(chat, two, Prefix(2, [7, 8]))
    unbridged = chat_of("{{ messages[0].content }}")
    assert (
        said(unbridged, conversation, Prefix(2, [7, 8])).prompt_token_ids
        == said(unbridged, conversation).prompt_token_ids
    )


def test_a_policy_hands_the_prefix_over(folder: Path) -> None:
    policy = resolve(f"local:{folder}")
    assert policy.bridges
    model = policy.at(Sampling(max_tokens=2), seed=1, key="k", prefix=Prefix(1, [9, 9, END]))
    reply = Reply.of(model.invoke([AIMessage("a"), HumanMessage("b")]))
    assert (reply.prompt_token_ids or [])[:4] == [9, 9, END, 2]


# Which weights answered.


def test_the_version_is_the_content_of_the_weights(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("not weights")
    (copy / "training_args.bin").write_bytes(b"neither")
    version = load(str(folder)).version
    assert load(str(copy)).version == version == ask(folder, seed=1, tokens=1).version
    assert len(version) == 16
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    assert load(str(copy)).version != version
    assert load(str(write_model(tmp_path / "other", seed=1))).version != version


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks for it
def test_an_adapter_answers_with_its_base_and_its_own_fingerprint(folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    from transformers import AutoModelForCausalLM

    def adapter(name: str, scale: float) -> Path:
        base = AutoModelForCausalLM.from_pretrained(folder)
        made = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_dropout=0.5))
        for parameter in made.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=scale)
        made.save_pretrained(tmp_path / name)
        return tmp_path / name

    plain, zero, strong = ask(folder, seed=1), ask(adapter("zero", 0.0), seed=1), ask(adapter("strong", 1.0), seed=1)
    assert zero.token_ids == plain.token_ids != strong.token_ids
    versions = [one.version or "" for one in (plain, zero, strong)]
    assert versions[1].startswith(versions[0] + "+")
    assert versions[2].startswith(versions[0] + "+")
    assert len(set(versions)) == 3


def test_an_adapter_without_peft_says_what_to_install(folder: Path, tmp_path: Path) -> None:
    if find_spec("peft"):
        pytest.skip("peft is installed")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder)}))
    with pytest.raises(UsageError, match=r"LoRA adapter.*flowwright\[train\]"):
        load(str(tmp_path))


def test_what_cannot_be_sampled_from_is_refused() -> None:
    with pytest.raises(UsageError, match="no chat template"):
        Loaded(model_of(), tokenizer_of(""), "v1", "it")
    model = model_of()
    model._is_stateful = True
    with pytest.raises(UsageError, match="attention layers alone"):
        ChatLocal.of(model, tokenizer_of(), version="v1").invoke("hi")
