"""Exact attention of completions to themselves and to a prompt that is read once per group.

A completion's softmax runs over prompt and completion together, but its two parts can be
computed apart and merged by their log-sum-exps. Neither part copies the prompt's keys: the
queries of a whole group, and of all heads that share a key head, stand in one row against
them. In the backward pass each part gets the merged output and log-sum-exp, which makes its
gradients those of the joint softmax.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from guerdon.models.packing import Ragged

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class PromptAttention(torch.autograd.Function):
    """``apply(q, k, v, prompt_k, prompt_v, responses, tails, own_mask, prompt_mask, scale)``.

    q [M, H, D], k and v [M, K, D] are the completions' tokens by group (K key heads, H a
    multiple of K); prompt_k and prompt_v [B, P, K, D] are padded at their ends. ``responses``
    cuts M into completions, ``tails`` into groups. Masks are added to scores: ``own_mask``
    [N or 1, 1, R, R] or None for causal, ``prompt_mask`` [B, 1, Q or 1, P] or None for all.
    Returns [M, H, D]. On CPU only.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        prompt_k: Tensor,
        prompt_v: Tensor,
        responses: Ragged,
        tails: Ragged,
        own_mask: Tensor | None,
        prompt_mask: Tensor | None,
        scale: float | None,
    ) -> Tensor:
        share = q.shape[1] // k.shape[1]
        own = [_rows(responses, x) for x in (q, _spread(k, share), _spread(v, share))]
        own_out, own_lse = _forward(*own, 0.0, own_mask is None, attn_mask=own_mask, scale=scale)
        joint = [_fold(tails, q, share), prompt_k.transpose(1, 2), prompt_v.transpose(1, 2)]
        folded_mask = _fold_mask(prompt_mask, share)
        out, lse = _forward(*joint, 0.0, False, attn_mask=folded_mask, scale=scale)
        if folded_mask is not None and folded_mask.shape[2] > 1:
            # The kernel reports 0 where a window has left the whole prompt behind.
            blind = (folded_mask == -torch.inf).all(-1)
            lse = lse.masked_fill(blind, -torch.inf)
        lse_M = _unfold(tails, lse[..., None], share)
        own_lse_M = responses.flatten(own_lse.transpose(1, 2))[..., None]
        total_M = torch.logaddexp(lse_M, own_lse_M)
        out_M = _unfold(tails, out, share) * (lse_M - total_M).exp()
        out_M += responses.flatten(own_out.transpose(1, 2)) * (own_lse_M - total_M).exp()
        out_M = out_M.to(q.dtype)
        ctx.save_for_backward(q, k, v, prompt_k, prompt_v, out_M, total_M, own_mask, prompt_mask)
        ctx.responses, ctx.tails, ctx.scale = responses, tails, scale
        return out_M

    @staticmethod
    def backward(ctx: Any, grad_M: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, prompt_k, prompt_v, out_M, total_M, own_mask, prompt_mask = ctx.saved_tensors
        responses, tails, scale = ctx.responses, ctx.tails, ctx.scale
        share = q.shape[1] // k.shape[1]
        own_q, own_k, own_v = _backward(
            _rows(responses, grad_M),
            _rows(responses, q),
            _rows(responses, _spread(k, share)),
            _rows(responses, _spread(v, share)),
            _rows(responses, out_M),
            _rows(responses, total_M)[..., 0],
            0.0,
            own_mask is None,
            attn_mask=own_mask,
            scale=scale,
        )
        joint_q, grad_prompt_k, grad_prompt_v = _backward(
            _fold(tails, grad_M, share),
            _fold(tails, q, share),
            prompt_k.transpose(1, 2),
            prompt_v.transpose(1, 2),
            _fold(tails, out_M, share),
            _fold(tails, total_M, share)[..., 0],
            0.0,
            False,
            attn_mask=_fold_mask(prompt_mask, share),
            scale=scale,
        )
        own_q, own_k, own_v = (responses.flatten(x.transpose(1, 2)) for x in (own_q, own_k, own_v))
        grad_q = own_q + _unfold(tails, joint_q, share)
        grad_k, grad_v = (x.unflatten(1, (-1, share)).sum(2) for x in (own_k, own_v))
        grad_prompt = (grad_prompt_k.transpose(1, 2), grad_prompt_v.transpose(1, 2))
        return grad_q, grad_k, grad_v, *grad_prompt, None, None, None, None, None


def _spread(x: Tensor, share: int) -> Tensor:
    """[M, K, D] to [M, H, D]: every key head once per query head."""
    return x if share == 1 else x.repeat_interleave(share, dim=1)


def _rows(pieces: Ragged, x: Tensor) -> Tensor:
    """[M, H, D] to [N, H, R, D]."""
    return pieces.pad(x).transpose(1, 2)


def _fold(tails: Ragged, x: Tensor, share: int) -> Tensor:
    """[M, H, D] to [B, K, share * Q, D]: heads that share a key head stand in one row."""
    table = tails.pad(x).unflatten(2, (-1, share))  # [B, Q, K, share, D]
    folded: Tensor = table.permute(0, 2, 3, 1, 4).flatten(2, 3)
    return folded


def _unfold(tails: Ragged, x: Tensor, share: int) -> Tensor:
    """[B, K, share * Q, D] back to [M, H, D]."""
    table = x.unflatten(2, (share, -1)).permute(0, 3, 1, 2, 4)
    return tails.flatten(table.flatten(2, 3))


def _fold_mask(mask: Tensor | None, share: int) -> Tensor | None:
    """[B, 1, Q, P] to [B, 1, share * Q, P]; one row for all queries stays one."""
    return mask if mask is None or mask.shape[2] == 1 else mask.repeat(1, 1, share, 1)
