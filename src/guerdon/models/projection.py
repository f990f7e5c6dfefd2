"""Log-probabilities from a head of any kind without keeping the vocabulary-wide tensor.

Heads that are one plain linear layer have a better way: `guerdon.models.linear_head`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Head = Callable[[Tensor], Tensor]

CHUNK_ELEMENTS = 1 << 22
"""Logits computed at a time: 16 MiB in float32."""

KEPT_ELEMENTS = 1 << 24
"""Logits kept for the backward pass, 64 MiB in float32; what is beyond is computed twice."""


def action_logps(
    head: Head, hidden_MH: Tensor, action_M: Tensor, temperature: float, want_entropy: bool
) -> tuple[Tensor, Tensor | None]:
    """Log-probs float[M] of the actions and, if wanted, entropies float[M].

    Rows go through the head in chunks. The logits of the first are kept and those of the
    others computed again in the backward pass, so that memory does not grow with M times the
    vocabulary and small batches pay nothing for it.
    """
    width = _width(head, hidden_MH)
    rows = max(1, CHUNK_ELEMENTS // width)
    hidden, action = hidden_MH.split(rows), action_M.split(rows)

    def one(h: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        return _logps(head, h, a, temperature, want_entropy)

    kept = KEPT_ELEMENTS // (rows * width) if torch.is_grad_enabled() else len(hidden)
    pieces = [
        one(h, a) if i < kept else checkpoint(one, h, a, use_reentrant=False)
        for i, (h, a) in enumerate(zip(hidden, action, strict=True))
    ]
    logp_M = torch.cat([p for p, _ in pieces])
    return logp_M, torch.cat([e for _, e in pieces]) if want_entropy else None


@torch.no_grad()
def largest_logps(head: Head, hidden_MH: Tensor, temperature: float, top: int) -> Tensor:
    """float[M, top], the largest log-probs, descending; fewer where the vocabulary has fewer."""
    if not top or not len(hidden_MH):
        return hidden_MH.new_zeros(len(hidden_MH), 0)
    width = _width(head, hidden_MH)
    pieces = []
    for hidden in hidden_MH.split(max(1, CHUNK_ELEMENTS // width)):
        logits = head(hidden)
        wide = torch.promote_types(logits.dtype, torch.float32)
        logp = torch.log_softmax(logits.to(wide) / temperature, dim=-1)
        pieces.append(logp.topk(min(top, width)).values)
    return torch.cat(pieces)


def _logps(
    head: Head, hidden: Tensor, action: Tensor, temperature: float, want_entropy: bool
) -> tuple[Tensor, Tensor]:
    logits = head(hidden)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if temperature != 1.0:
        logits = logits / temperature
    logp, entropy = _LogProbs.apply(logits, action, want_entropy)
    return logp, entropy


class _LogProbs(torch.autograd.Function):
    """``apply(logits [M, V], actions [M], want_entropy)`` to log-probs and entropies, [M] each.

    One [M, V] tensor is written in each direction where autograd would write several. With
    ``p`` the softmax, ``d logp_a / d logit_v = [v = a] - p_v`` and
    ``d entropy / d logit_v = -p_v (log p_v + entropy)``.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, action: Tensor, want_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        total = torch.logsumexp(logits, dim=-1)
        logp = logits.gather(1, action[:, None])[:, 0] - total
        entropy = torch.zeros_like(logp)
        if want_entropy:
            # A logit of -inf has probability 0 and takes no part.
            part = (logits - total[:, None]).exp_().mul_(logits.clamp_min(_least(logits)))
            entropy = total - part.sum(-1)
        else:
            ctx.mark_non_differentiable(entropy)
        ctx.save_for_backward(logits, action, total, entropy)
        ctx.want_entropy = want_entropy
        return logp, entropy

    @staticmethod
    def backward(ctx: Any, grad_logp: Tensor, grad_entropy: Tensor) -> tuple[Tensor, None, None]:
        logits, action, total, entropy = ctx.saved_tensors
        grad = (logits - total[:, None]).exp_()
        weight = -grad_logp[:, None]
        if ctx.want_entropy:
            logp = logits.clamp_min(_least(logits)).sub_(total[:, None])
            weight = logp.add_(entropy[:, None]).mul_(-grad_entropy[:, None]).add_(weight)
        grad.mul_(weight)
        return grad.scatter_add_(1, action[:, None], grad_logp[:, None]), None, None


def _least(logits: Tensor) -> float:
    return torch.finfo(logits.dtype).min / 4


def _width(head: Head, hidden_MH: Tensor) -> int:
    weight = getattr(getattr(head, "__self__", head), "weight", None)
    if weight is not None:
        return int(weight.shape[0])
    with torch.no_grad():
        return int(head(hidden_MH[:1]).shape[-1])
