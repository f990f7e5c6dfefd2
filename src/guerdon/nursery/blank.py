"""A model that knows nothing yet, in the seedling's language."""

from __future__ import annotations

from typing import Any

from guerdon.models.loading import load_tokenizer


def blank_model(seed: int, *, width: int = 128, layers: int = 2) -> tuple[Any, Any]:
    """A small Llama with weights drawn from ``seed``, and the seedling's tokenizer.

    ``width`` is the hidden size (a multiple of 8: four heads of even width). Seeds torch's global
    generator. Raises ValueError for another width.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if width < 8 or width % 8:
        raise ValueError(f"blank_model: width is {width}; give a multiple of 8")
    tokenizer = load_tokenizer("seedling")
    torch.manual_seed(seed)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=8 * ((width + 2) // 3),
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(shape), tokenizer
