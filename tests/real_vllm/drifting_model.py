"""A random Qwen3 with a tokenizer of its own in which what is sampled is hardly ever what its text would be encoded as.

Embeddings are not tied (a tied head stays stale after a reload on CPUs), weights are float32, and the distribution is
far from flat, so that a wrong adapter or a stale cache shows in the first log-prob.
"""

from __future__ import annotations

import json
import math
import random
from itertools import product
from pathlib import Path
from typing import Any

HIDDEN, LAYERS, HEADS, KEY_HEADS, HEAD_SIZE = 64, 2, 4, 2, 32
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|unk|>"]
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.role == 'assistant' %}{%- generation %}{{- message.content + '<|im_end|>' }}{%- endgeneration %}"
    "{%- else %}{{- message.content + '<|im_end|>' }}{%- endif %}{{- '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
LETTERS = "abcdefghijklmnopqrstuvwx"
RANK, ALPHA = 4, 8


def tokenizer() -> Any:
    """Each pair of the letters a to x has a merge, ranked by lot: of two pairs side by side the inner letters often
    merge first, so that eight sampled tokens are hardly ever what their text is encoded as."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pairs = list(product(LETTERS, repeat=2))
    random.Random(0).shuffle(pairs)
    ascii_only = [*(chr(code) for code in range(33, 127)), "Ġ", "Ċ", "ĉ"]
    pieces = [*SPECIAL, *ascii_only, *("".join(pair) for pair in pairs)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, unk_token="<|unk|>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(SPECIAL)
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token="<|unk|>"
    )
    made.chat_template = CHAT_TEMPLATE
    return made


def make_model(folder: Path, *, seed: int = 0, hidden: int = HIDDEN, ends: float = 0.04) -> Path:
    """Writes model and tokenizer. `ends`: about how likely each token is to be the last."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    words = tokenizer()
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=(len(words) + 63) // 64 * 64,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        head_dim=HEAD_SIZE,
        max_position_embeddings=32768,
        tie_word_embeddings=False,
        initializer_range=0.2,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        bos_token_id=None,
    )
    model = Qwen3ForCausalLM(config).float()
    with torch.no_grad():
        model.lm_head.weight[len(words) :] = 0  # rows that pad the vocabulary
        end_by_hand(model, words.eos_token_id, ends)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def end_by_hand(model: Any, eos: int, ends: float) -> None:
    """A constant first dimension of each embedding works as the bias of the end token."""
    import torch

    model.model.embed_tokens.weight[:, 0] = 3.0
    model.lm_head.weight[:, 0] = 0.0
    model.lm_head.weight[eos] = 0.0
    state = model.model(input_ids=torch.arange(0, 64)[None]).last_hidden_state[0, :, 0].mean().item()
    model.lm_head.weight[eos, 0] = math.log(ends * model.config.vocab_size * 1.5) / state


def make_adapter(folder: Path, *, seed: int, base: str = "tiny", hidden: int = HIDDEN) -> Path:
    """Writes a LoRA adapter as PEFT does: random matrices on the projections of queries and values."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    draw = torch.Generator().manual_seed(seed)
    sizes = {"q_proj": HEADS * HEAD_SIZE, "v_proj": KEY_HEADS * HEAD_SIZE}
    weights = {}
    for layer in range(LAYERS):
        for name, size in sizes.items():
            place = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            weights[f"{place}.lora_A.weight"] = torch.randn(RANK, hidden, generator=draw) * 0.2
            weights[f"{place}.lora_B.weight"] = torch.randn(size, RANK, generator=draw) * 0.2
    save_file(weights, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": RANK, "lora_alpha": ALPHA,
        "target_modules": sorted(sizes), "lora_dropout": 0.0, "bias": "none", "inference_mode": True,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


class Reference:
    """The same weights in this process: what the server ought to say."""

    def __init__(self, model: Path, adapter: Path | None = None) -> None:
        import torch
        from safetensors.torch import load_file
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        weights = load_file(adapter / "adapter_model.safetensors") if adapter else {}
        with torch.no_grad():
            for place in {name.rsplit(".lora_", 1)[0] for name in weights}:
                change = weights[f"{place}.lora_B.weight"] @ weights[f"{place}.lora_A.weight"]
                module = self.model.get_submodule(place.removeprefix("base_model.model."))
                module.weight += ALPHA / RANK * change

    def logprobs(
        self, prompt: list[int], sampled: list[int], *, temperature: float = 1.0, top_p: float = 1.0
    ) -> list[float]:
        """Log-probs of the sampled tokens under the processed distribution: temperature first, then the nucleus."""
        import torch

        with torch.no_grad():
            logits_T_V = self.model(torch.tensor([prompt + sampled])).logits[0, len(prompt) - 1 : -1] / temperature
        sorted_T_V, order_T_V = logits_T_V.sort(dim=-1, descending=True)
        before_T_V = sorted_T_V.softmax(-1).cumsum(-1) - sorted_T_V.softmax(-1)
        outside_T_V = torch.zeros_like(logits_T_V, dtype=torch.bool).scatter(1, order_T_V, before_T_V >= top_p)
        kept_T_V = logits_T_V.masked_fill(outside_T_V, -torch.inf).log_softmax(-1)
        return kept_T_V.gather(1, torch.tensor(sampled)[:, None])[:, 0].tolist()
