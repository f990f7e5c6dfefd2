"""Log-probabilities from hidden states without keeping the vocabulary-wide tensor."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Head = Callable[[Tensor], Tensor]

CHUNK_ELEMENTS = 1 << 22
"""Logits held at a time: 16 MiB in float32."""


def action_logps(
    head: Head, hidden_MH: Tensor, action_M: Tensor, temperature: float, want_entropy: bool
) -> tuple[Tensor, Tensor | None]:
    """Log-probs float[M] of the actions and, if wanted, entropies float[M].

    Rows go through the head in chunks whose logits are recomputed in the backward pass, so
    memory does not grow with M times the vocabulary. A single chunk is kept: recomputing it
    would save nothing.
    """
    width = _width(head, hidden_MH)
    rows = max(1, CHUNK_ELEMENTS // width)
    hidden, action = hidden_MH.split(rows), action_M.split(rows)

    def one(h: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        return _logps(head, h, a, temperature, want_entropy)

    if len(hidden) == 1 or not torch.is_grad_enabled():
        pieces = [one(h, a) for h, a in zip(hidden, action, strict=True)]
    else:
        pieces = [
            checkpoint(one, h, a, use_reentrant=False) for h, a in zip(hidden, action, strict=True)
        ]
    logp_M = torch.cat([p for p, _ in pieces])
    return logp_M, torch.cat([e for _, e in pieces]) if want_entropy else None


def _logps(
    head: Head, hidden: Tensor, action: Tensor, temperature: float, want_entropy: bool
) -> tuple[Tensor, Tensor]:
    logits = head(hidden)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if temperature != 1.0:
        logits = logits / temperature
    total = torch.logsumexp(logits, dim=-1)
    logp = logits.gather(1, action[:, None])[:, 0] - total
    if not want_entropy:
        return logp, logp
    entropy = total - (torch.softmax(logits, dim=-1) * logits).sum(-1)
    return logp, entropy


def _width(head: Head, hidden_MH: Tensor) -> int:
    weight = getattr(getattr(head, "__self__", head), "weight", None)
    if weight is not None:
        return int(weight.shape[0])
    with torch.no_grad():
        return int(head(hidden_MH[:1]).shape[-1])
