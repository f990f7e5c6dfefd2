"""Attention over a packed row as one FlexAttention kernel, for GPUs.

Which tokens may see which is given as a function of two places in the row; blocks of the row in
which nobody sees anybody are left out, so neither padding nor copies of the prompt are computed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import is_torch_flex_attn_available

from guerdon.models.packing import Packed, Ragged


def offers_flex(device: torch.device) -> bool:
    """Whether FlexAttention can be compiled, backward pass included, on this device."""
    there = device.type == "cuda" and is_torch_flex_attn_available()
    return there and importlib.util.find_spec("triton") is not None


def row_blocks(packed: Packed, allows: Callable[..., Tensor] | None, by_group: bool) -> Any:
    """The `BlockMask` [1, 1, S, S]: a token sees its prompt and its own completion, as allowed.

    ``allows`` is the model's mask function, asked about positions (None: plainly causal), in row
    ``group`` if masks differ between groups, else in row 0.
    """
    from torch.nn.attention.flex_attention import create_block_mask

    b = packed.prompts.count
    completion_M = _numbers(packed.responses, packed.group)
    prompt_S = torch.cat([_numbers(packed.prompts, packed.group), packed.group[completion_M]])
    piece_S = torch.cat([prompt_S[: packed.prompt_tokens], completion_M + b])
    position_S = packed.positions[0]

    def seen(_: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        near = (piece_S[key] == piece_S[query]) | (piece_S[key] == prompt_S[query])
        at, of = position_S[query], position_S[key]
        if allows is None:
            return near & (of <= at)
        return near & allows(prompt_S[query] if by_group else head * 0, head, at, of)

    make = _compiled(create_block_mask) if packed.ids.is_cuda else create_block_mask
    return make(seen, None, None, packed.tokens, packed.tokens, device=packed.ids.device)


def flex_attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, blocks: Any, kwargs: Any
) -> Tensor:
    """[1, S, H, D] for [1, H, S, D]; caps and sinks of scores are those of transformers' own."""
    from transformers.integrations.flex_attention import flex_attention_forward

    out: Tensor = flex_attention_forward(module, query, key, value, blocks, **kwargs)[0]
    return out


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without it the whole table [S, S] would be written."""
    return torch.compile(function)


def _numbers(pieces: Ragged, like: Tensor) -> Tensor:
    """long[M], the number of the piece that each item belongs to."""
    index = torch.arange(pieces.count, device=like.device)
    return pieces.flatten(index[:, None].expand(-1, pieces.width))
