"""Log-probabilities of a linear head, computed in blocks that fit a processor's cache.

No logits are kept: the backward pass computes each block again, which costs less than writing
and reading a vocabulary-wide tensor. With ``z`` the logits, ``p`` their softmax and ``H`` its
entropy, gradients ``g`` and ``h`` of a row's log-prob and entropy give

    d / d z_v = g [v = a] - p_v (g + h (log p_v + H))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from guerdon.models.precision import computed_in

BLOCK_ROWS = 2048
"""Rows of a block, at most."""

BLOCK_ELEMENTS = 1 << 20
"""Logits of a block on a processor: 4 MiB in float32."""

DEVICE_BLOCK_ELEMENTS = 1 << 26
"""Logits of a block elsewhere, where many small operations cost more than memory does."""


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Logits ``cap tanh(scale (W x + b) / cap) / temperature``, without tanh where cap is None.

    weight [V, H], bias [V] or None.
    """

    weight: Tensor
    bias: Tensor | None = None
    scale: float = 1.0
    cap: float | None = None
    temperature: float = 1.0

    def logits(self, hidden: Tensor, columns: slice) -> Tensor:
        """A new [M, columns] for [M, H], at least in single precision."""
        raw = hidden @ self.weight[columns].to(hidden.dtype).t()
        if self.bias is not None:
            raw += self.bias[columns]
        logits = raw.to(torch.promote_types(raw.dtype, torch.float32))
        if self.cap is not None:
            return logits.mul_(self.scale / self.cap).tanh_().mul_(self.cap / self.temperature)
        return self._scaled(logits)

    def slope_(self, grad: Tensor, logits: Tensor) -> Tensor:
        """Turns the logits' gradient into that of ``W x + b``, in place."""
        if self.cap is not None:
            grad.mul_(1 - (logits * (self.temperature / self.cap)).square_())
        return self._scaled(grad)

    def _scaled(self, x: Tensor) -> Tensor:
        factor = self.scale / self.temperature
        return x if factor == 1.0 else x.mul_(factor)


def linear_head(model: Any, temperature: float) -> LinearHead | None:
    """The head of a transformers model, or None where it is more than one plain linear layer."""
    layer = model.get_output_embeddings()
    touched = layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer)
    if type(layer) is not nn.Linear or touched:
        return None
    config = model.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    divisor = getattr(config, "logits_scaling", None) or 1.0
    cap = getattr(config, "final_logit_softcapping", None)
    return LinearHead(layer.weight, layer.bias, scale / divisor, cap, temperature)


def linear_logps(
    head: LinearHead, hidden_MH: Tensor, action_M: Tensor, want_entropy: bool, top: int = 0
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Log-probs [M] of the actions, entropies [M] if wanted, and the ``top`` largest log-probs.

    The last are [M, top], descending, without gradient; with fewer than ``top`` tokens there
    are as many as there are tokens.
    """
    logp, entropy, largest = _LinearLogProbs.apply(
        hidden_MH, head.weight, head.bias, action_M, head, want_entropy, top
    )
    return logp, entropy if want_entropy else None, largest


class _LinearLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        action: Tensor,
        head: LinearHead,
        want_entropy: bool,
        top: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.head, ctx.want_entropy = head, want_entropy
        ctx.dtype = computed_in(hidden.dtype, hidden.device)
        wide = torch.promote_types(ctx.dtype, torch.float32)
        narrow, pieces = hidden.to(ctx.dtype), []
        with torch.autocast(hidden.device.type, enabled=False):
            for rows in _rows(hidden):
                seen = _Seen(action[rows], wide, want_entropy, top)
                for columns in _columns(narrow[rows], weight):
                    seen.look(head.logits(narrow[rows], columns), columns.start)
                pieces.append(seen.results())
        logp, entropy, total, largest = (torch.cat(p) for p in zip(*pieces, strict=True))
        logp, entropy = logp[:, 0], entropy[:, 0]
        ctx.mark_non_differentiable(largest, *([] if want_entropy else [entropy]))
        ctx.save_for_backward(hidden, weight, bias, action, total, entropy)
        return logp, entropy, largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_logp: Tensor, grad_entropy: Tensor, _: Tensor) -> Any:
        hidden, weight, bias, action, total, entropy = ctx.saved_tensors
        narrow = hidden.to(ctx.dtype)
        grad_hidden, grad_weight, grad_bias = (
            torch.zeros_like(x) if x is not None and needed else None
            for x, needed in zip((hidden, weight, bias), ctx.needs_input_grad, strict=False)
        )
        for rows in _rows(hidden):
            for columns in _columns(narrow[rows], weight):
                logits = ctx.head.logits(narrow[rows], columns)
                grad = _grad_logits(
                    logits if ctx.head.cap is None else logits.clone(),
                    total[rows],
                    grad_logp[rows, None],
                    grad_entropy[rows, None] if ctx.want_entropy else None,
                    entropy[rows, None],
                )
                here, at = _place(action[rows] - columns.start, grad)
                grad.scatter_add_(1, at, grad_logp[rows, None] * here)
                grad = ctx.head.slope_(grad, logits)
                if grad_bias is not None:
                    grad_bias[columns] += grad.sum(0)
                grad = grad.to(ctx.dtype)
                if grad_hidden is not None:
                    _add_product(grad_hidden[rows], grad, weight[columns])
                if grad_weight is not None:
                    _add_product(grad_weight[columns], grad.t(), narrow[rows])
        return grad_hidden, grad_weight, grad_bias, None, None, None, None


class _Seen:
    """What is known of some rows' softmax after a part of the vocabulary."""

    def __init__(self, action: Tensor, dtype: torch.dtype, want_entropy: bool, top: int) -> None:
        self.action, self.want_entropy, self.top = action, want_entropy, top
        # Far below any logit, and finite: an impossible token's -inf stays harmless.
        self.least = torch.finfo(dtype).min / 4
        self.peak = torch.full((len(action), 1), self.least, dtype=dtype, device=action.device)
        self.mass, self.moment = torch.zeros_like(self.peak), torch.zeros_like(self.peak)
        self.chosen, self.largest = torch.zeros_like(self.peak), self.peak[:, :0]

    def look(self, logits: Tensor, start: int) -> None:
        """Take in the logits [M, columns] of tokens from ``start`` on, which are overwritten."""
        here, at = _place(self.action - start, logits)
        self.chosen = torch.where(here, logits.gather(1, at), self.chosen)
        if self.top:
            both = torch.cat([self.largest, logits], dim=1)
            self.largest = both.topk(min(self.top, both.shape[1])).values
        peak = torch.maximum(self.peak, logits.amax(1, keepdim=True))
        fall, self.peak = self.peak - peak, peak
        logits.sub_(peak)
        if self.want_entropy:
            weight = logits.exp()
            mean = torch.linalg.vecdot(weight, logits.clamp_min_(self.least))[:, None]
            self.moment = (self.moment + self.mass * fall) * fall.exp() + mean
        else:
            weight = logits.exp_()
        self.mass = self.mass * fall.exp() + weight.sum(1, keepdim=True)

    def results(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-probs, entropies, log-sum-exps, each [M, 1], and the largest log-probs [M, top]."""
        inner = self.mass.log()
        entropy = inner - self.moment / self.mass
        total = self.peak + inner
        return self.chosen - total, entropy, total, self.largest - total


def _grad_logits(
    logits: Tensor,
    total: Tensor,
    grad_logp: Tensor,
    grad_entropy: Tensor | None,
    entropy: Tensor,
) -> Tensor:
    """The part of the gradient that all tokens have; overwrites the logits."""
    logp = logits.sub_(total)
    if grad_entropy is None:
        return logp.exp_().mul_(-grad_logp)
    prob = logp.exp()
    # A logit of -inf has probability 0 and takes no part.
    logp.clamp_min_(torch.finfo(logp.dtype).min / 4)
    return logp.mul_(-grad_entropy).sub_(grad_logp + grad_entropy * entropy).mul_(prob)


def _place(at: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """bool[M, 1], whether the table has column ``at``, and long[M, 1], ``at`` or the nearest."""
    last = table.shape[1] - 1
    return ((at >= 0) & (at <= last))[:, None], at.clamp(0, last)[:, None]


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """``total += left @ right``; in place where all have one type."""
    if total.dtype == left.dtype == right.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right.to(left.dtype)


def _rows(hidden: Tensor) -> Iterator[slice]:
    for start in range(0, max(1, len(hidden)), BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, len(hidden)))


def _columns(hidden: Tensor, weight: Tensor) -> Iterator[slice]:
    most = BLOCK_ELEMENTS if hidden.device.type == "cpu" else DEVICE_BLOCK_ELEMENTS
    width = max(1, most // max(1, len(hidden)))
    for start in range(0, len(weight), width):
        yield slice(start, min(start + width, len(weight)))
