"""Prompts with images in a batch or a packed row: pixels, token types, positions.

A model is called whole here, not its decoder alone: it encodes the images, puts them in the place
of their tokens and makes the masks that go with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from guerdon.models.packing import Packed

Inputs = Mapping[str, Tensor]
"""What goes with one prompt, as its processor made it for that prompt alone."""

PER_TOKEN = "token_type_ids"
"""How the names of inputs end that have a value per token; 0 is text."""

PLACEHOLDERS = ("image_token_id", "video_token_id", "audio_token_id")
"""Where configurations keep the tokens in whose place an encoder's output is put."""


def whole(model: Any) -> Any:
    """The model without its head (and without its adapter's wrapper): encoder and decoder."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return inner.base_model


def joined(inputs: Sequence[Inputs], width: int, left: bool, device: torch.device) -> Inputs:
    """The inputs of n prompts as those of one batch, n rows of ``width`` tokens.

    Images follow one another in order; what is smaller than the largest is padded with 0 at its
    ends, as processors do. Token types are padded with 0 on the left or the right.
    """
    made = {}
    for name in {name: None for each in inputs for name in each}:
        if name.endswith(PER_TOKEN):
            found = next(each[name] for each in inputs if name in each)
            table = found.new_zeros(len(inputs), width)
            for row, each in enumerate(inputs):
                if name in each:
                    n = each[name].shape[1]
                    table[row, width - n if left else 0 : width if left else n] = each[name][0]
            made[name] = table.to(device)
        else:
            made[name] = _stacked([each[name] for each in inputs if name in each]).to(device)
    return made


def _stacked(tensors: list[Tensor]) -> Tensor:
    sizes = [max(size) for size in zip(*(t.shape[1:] for t in tensors), strict=True)]
    room = [
        [x for size, n in zip(sizes[::-1], t.shape[:0:-1], strict=True) for x in (0, size - n)]
        for t in tensors
    ]
    return torch.cat([pad(t, r) if any(r) else t for t, r in zip(tensors, room, strict=True)])


def positions_of(model: Any, ids: Tensor, inputs: Inputs) -> Tensor:
    """long[A, P], a prompt's positions; A is 3 where images take up time, height and width.

    What comes next stands, on all axes, one beyond the largest of them.
    """
    index = getattr(whole(model), "get_rope_index", None)
    plain = torch.arange(len(ids), device=ids.device)[None]
    if index is None:
        return plain
    if not inputs:
        return plain.expand(3, -1)
    found: Tensor = index(ids[None], **{k: v.to(ids.device) for k, v in inputs.items()})[0]
    return found[:, 0]


def packed_positions(packed: Packed, prompts: list[Tensor]) -> Tensor:
    """long[A, 1, S] (or [1, S] on one axis) from the prompts' positions [A, P]."""
    text = packed.positions[0, packed.prompt_tokens :]
    late_B = torch.stack([p.max() + 1 - p.shape[1] for p in prompts])
    late_M = packed.tails.flatten(late_B[:, None].expand(-1, packed.tails.width))
    axes = len(prompts[0])
    made = torch.cat([*prompts, (text + late_M).expand(axes, -1)], dim=1)
    return made[:, None] if axes > 1 else made


def hidden_states(model: Any, ids: Tensor, in_prompt: Tensor, **inputs: Any) -> Tensor:
    """float[n, S, H], the last hidden states of ids [n, S] under a model that sees.

    An image's token in a completion was written, not shown: nothing belongs in its place. The
    model is told of another token there, and it is embedded as what it is.
    """
    config = model.config
    marks = [m for m in (getattr(config, name, None) for name in PLACEHOLDERS) if m is not None]
    stray = torch.isin(ids, torch.tensor(marks, device=ids.device)) & ~in_prompt
    harmless = min(set(range(len(marks) + 1)) - set(marks))

    def embed(_: Any, told: tuple[Tensor]) -> tuple[Tensor] | None:
        ours = told and told[0].shape == ids.shape
        return (torch.where(stray, ids, told[0]),) if ours else None

    hook = model.get_input_embeddings().register_forward_pre_hook(embed)
    try:
        told = ids.masked_fill(stray, harmless)
        hidden: Tensor = whole(model)(input_ids=told, use_cache=False, **inputs).last_hidden_state
    finally:
        hook.remove()
    return hidden
