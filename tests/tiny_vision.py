"""Tiny vision-language models with random weights, and prompts with images for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

IMAGE, VIDEO, START, END = 60, 61, 62, 63
TEXT: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "attention_dropout": 0.0,
}
MROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10_000.0}
QWEN_TOKENS = {
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "vision_start_token_id": START,
    "vision_end_token_id": END,
}
SIGLIP = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
    "initializer_range": 0.3,
    "attention_dropout": 0.0,
}
QWEN_VISION = {"num_heads": 2, "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2_vl": (
        "qwen2_vl",
        {
            "text_config": {**TEXT, "rope_parameters": MROPE},
            "vision_config": {
                **QWEN_VISION,
                "depth": 2,
                "embed_dim": 16,
                "hidden_size": 32,
                "mlp_ratio": 2,
            },
            **QWEN_TOKENS,
        },
    ),
    "qwen2_5_vl": (
        "qwen2_5_vl",
        {
            "text_config": {**TEXT, "rope_parameters": MROPE},
            "vision_config": {
                **QWEN_VISION,
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 24,
                "out_hidden_size": 32,
                "window_size": 16,
                "fullatt_block_indexes": [1],
            },
            **QWEN_TOKENS,
        },
    ),
    "qwen3_vl": (
        "qwen3_vl",
        {
            "text_config": {**TEXT, "rope_parameters": {**MROPE, "mrope_interleaved": True}},
            "vision_config": {
                **QWEN_VISION,
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 24,
                "out_hidden_size": 32,
                "num_position_embeddings": 16,
                "deepstack_visual_indexes": [0, 1],
            },
            **QWEN_TOKENS,
        },
    ),
    "llava": (
        "llava",
        {
            "text_config": {"model_type": "llama", **TEXT},
            "vision_config": {"model_type": "clip_vision_model", **SIGLIP, "projection_dim": 16},
            "image_token_index": IMAGE,
            "vision_feature_layer": -1,
        },
    ),
    "llava, convolutions": (
        "llava",
        {
            "text_config": {
                "model_type": "lfm2",
                **TEXT,
                "layer_types": ["conv", "full_attention", "conv"],
            },
            "vision_config": {"model_type": "clip_vision_model", **SIGLIP, "projection_dim": 16},
            "image_token_index": IMAGE,
            "vision_feature_layer": -1,
        },
    ),
    "idefics3": (
        "idefics3",
        {
            "text_config": {"model_type": "llama", **TEXT},
            "vision_config": SIGLIP,
            "image_token_id": IMAGE,
            "scale_factor": 2,
        },
    ),
    "smolvlm": (
        "smolvlm",
        {
            "text_config": {"model_type": "llama", **TEXT},
            "vision_config": SIGLIP,
            "image_token_id": IMAGE,
            "scale_factor": 2,
        },
    ),
    "gemma3": (
        "gemma3",
        {
            "text_config": {
                **TEXT,
                "sliding_window": 5,
                "query_pre_attn_scalar": 16,
                "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            },
            "vision_config": {"model_type": "siglip_vision_model", **SIGLIP},
            "image_token_index": IMAGE,
            "boi_token_index": START,
            "eoi_token_index": END,
            "mm_tokens_per_image": 4,
        },
    ),
    "paligemma": (
        "paligemma",
        {
            "text_config": {"model_type": "gemma", **TEXT},
            "vision_config": {
                "model_type": "siglip_vision_model",
                **SIGLIP,
                "vision_use_head": False,
            },
            "projection_dim": 32,
            "image_token_index": IMAGE,
        },
    ),
}
TOKENS = {"llava": 16, "llava, convolutions": 16, "paligemma": 16}
"""Tokens of one image of 16 by 16 pixels; 4 in the others."""


def build(kind: str, seed: int = 0) -> Any:
    """The model in float64."""
    name, settings = MODELS[kind]
    torch.manual_seed(seed)
    config = AutoConfig.for_model(name, tie_word_embeddings=False, **settings)
    model = AutoModelForImageTextToText.from_config(config).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1 and not weight.any():  # Gemma 3 starts blind
                weight.normal_(std=0.3)
    return model


def prompt(
    kind: str, pieces: Sequence[int], generator: torch.Generator, vocabulary: int = 60
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Text pieces of these lengths with an image of random pixels between every two."""
    many = len(pieces) - 1
    shown = torch.full((TOKENS.get(kind, 4),), IMAGE)
    if kind.startswith(("qwen", "gemma")):
        shown = torch.cat([torch.tensor([START]), shown, torch.tensor([END])])
    text = [torch.randint(3, vocabulary, (n,), generator=generator) for n in pieces]
    ids = torch.cat([text[0], *(x for piece in text[1:] for x in (shown, piece))])
    if not many:
        return ids, {}
    types = (ids == IMAGE).long()[None]
    pixels = torch.randn(many, 3, 16, 16, generator=generator, dtype=torch.float64)
    if kind.startswith("qwen"):
        patches = torch.randn(16 * many, 96, generator=generator, dtype=torch.float64)
        grid = torch.tensor([[1, 4, 4]] * many)
        return ids, {"pixel_values": patches, "image_grid_thw": grid, "mm_token_type_ids": types}
    if kind in ("idefics3", "smolvlm"):
        mask = torch.ones(1, many, 16, 16, dtype=torch.bool)
        return ids, {"pixel_values": pixels[None], "pixel_attention_mask": mask}
    if kind in ("gemma3", "paligemma"):
        return ids, {"pixel_values": pixels, "token_type_ids": types}
    return ids, {"pixel_values": pixels}
