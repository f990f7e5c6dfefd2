"""From numbers per row to numbers per position, and these on one scale."""

from __future__ import annotations

import torch
from torch import Tensor

from guerdon.records import Rollouts, Scores


def spread_over_tokens(row_N: Tensor, scores: Scores, rollouts: Rollouts) -> Tensor:
    """float[N, T]: a row's number on each of its acted tokens; 0 elsewhere and if invalid."""
    use_NT = rollouts.mask & scores.valid[:, None]
    return torch.where(use_NT, row_N[:, None].float(), 0.0)


def whiten(value_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + 1e-8) over masked entries (ddof 1), 0 elsewhere.

    With fewer than two entries there is no spread to divide by and the result is 0.
    """
    kept = value_NT[mask_NT]
    if kept.numel() < 2:
        return torch.zeros_like(value_NT)
    scaled = (value_NT - kept.mean()) / (kept.var() + 1e-8).sqrt()
    return torch.where(mask_NT, scaled, 0.0)
