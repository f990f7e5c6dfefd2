"""Tiny vision-language models with random weights, and prompts with images for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from making import SMALL_DECODER
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

IMAGE, VIDEO, START, END = 60, 61, 62, 63
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
            "text_config": {**SMALL_DECODER, "rope_parameters": MROPE},
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
            "text_config": {**SMALL_DECODER, "rope_parameters": MROPE},
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
            "text_config": {
                **SMALL_DECODER,
                "rope_parameters": {**MROPE, "mrope_interleaved": True},
            },
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
            "text_config": {"model_type": "llama", **SMALL_DECODER},
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
                **SMALL_DECODER,
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
            "text_config": {"model_type": "llama", **SMALL_DECODER},
            "vision_config": SIGLIP,
            "image_token_id": IMAGE,
            "scale_factor": 2,
        },
    ),
    "smolvlm": (
        "smolvlm",
        {
            "text_config": {"model_type": "llama", **SMALL_DECODER},
            "vision_config": SIGLIP,
            "image_token_id": IMAGE,
            "scale_factor": 2,
        },
    ),
    "gemma3": (
        "gemma3",
        {
            "text_config": {
                **SMALL_DECODER,
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
            "text_config": {"model_type": "gemma", **SMALL_DECODER},
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


COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
WORDS = ["<pad>", "<s>", "</s>", "user", "assistant", ":", "what", "colour", "?", *COLOURS]
WORDS += [f"w{n}" for n in range(len(WORDS), IMAGE)]
WORDS += ["<image>", "<video>", "<start>", "<end>"]
TEMPLATE = """\
{% for message in messages %}{{ message['role'] }} : {% for part in message['content'] %}\
{% if part['type'] == 'image' %}SHOWN {% else %}{{ part['text'] }} {% endif %}{% endfor %}\
{% endfor %}{% if add_generation_prompt %}assistant :{% endif %}"""
QWEN_TEMPLATE = TEMPLATE.replace("SHOWN", "<start> <image> <end>")
LLAVA_TEMPLATE = TEMPLATE.replace("SHOWN", "<image>")


def square(colour: str) -> Any:
    """An image of one colour, 16 by 16 pixels."""
    return np.full((16, 16, 3), COLOURS[colour], dtype=np.uint8)


def word_tokenizer() -> PreTrainedTokenizerFast:
    """A token per word, 64 of them."""
    words = Tokenizer(WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=WORDS[-4:],
    )


class QwenReader:
    """What a Qwen2-VL processor does for images; its own asks for torchvision, for videos."""

    def __init__(self) -> None:
        self.tokenizer = word_tokenizer()
        self.tokenizer.chat_template = QWEN_TEMPLATE
        self.chat_template = QWEN_TEMPLATE
        self.images = Qwen2VLImageProcessorPil(
            patch_size=4, merge_size=2, size={"shortest_edge": 64, "longest_edge": 1024}
        )

    def apply_chat_template(self, messages: Any, **kwargs: Any) -> str:
        return self.tokenizer.apply_chat_template(messages, **kwargs)

    def __call__(self, text: list[str], images: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        seen = self.images(images, return_tensors="pt") if images else {}
        for grid in seen.get("image_grid_thw", ()):
            text = [text[0].replace("<image>", "SHOWN " * (int(grid.prod()) // 4), 1)]
        read = self.tokenizer([t.replace("SHOWN", "<image>") for t in text], **kwargs)
        types = (read["input_ids"] == IMAGE).long()
        return {**read, **seen, "mm_token_type_ids": types}

    def save_pretrained(self, folder: Any) -> None:
        self.tokenizer.save_pretrained(folder)
        self.images.save_pretrained(folder)


def llava_processor() -> LlavaProcessor:
    """LLaVA's own, for images of 16 by 16 pixels."""
    side = {"height": 16, "width": 16}
    images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=side)
    return LlavaProcessor(
        images,
        word_tokenizer(),
        patch_size=4,
        vision_feature_select_strategy="default",
        chat_template=LLAVA_TEMPLATE,
        num_additional_image_tokens=1,
    )
