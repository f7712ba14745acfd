"""A random model of a few thousand weights, with a tokenizer of its own, written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
END = 0


def tokenizer_of(template: str = TEMPLATE) -> Any:
    """Bytes, a few merges, and one token for each speaker."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokens.train_from_iterator(["the answer is the answer and nothing is nothing {}"] * 8, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = template
    return tokenizer


def model_of(seed: int = 0, context: int = 8192, **more: Any) -> Any:
    """Two layers, untied."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=context, eos_token_id=END, pad_token_id=END, **more,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval()


def write_model(path: Path, seed: int = 0, template: str = TEMPLATE) -> Path:
    """Both, as `save_pretrained` does."""
    model_of(seed).save_pretrained(path)
    tokenizer_of(template).save_pretrained(path)
    return path
