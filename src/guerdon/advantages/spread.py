"""From numbers per row to numbers per position, and these on one scale."""

from __future__ import annotations

import torch
from torch import Tensor

from guerdon.records import Rollouts, Scores

_LARGEST = torch.finfo(torch.float32).max


def spread_over_tokens(row_N: Tensor, scores: Scores, rollouts: Rollouts) -> Tensor:
    """float[N, T]: a row's number on each of its acted tokens; 0 elsewhere and if invalid."""
    return single_precision(row_N[:, None], rollouts.mask & scores.valid[:, None])


def single_precision(value: Tensor, use_NT: Tensor) -> Tensor:
    """float32[N, T]: the float64 numbers where ``use_NT``, 0 elsewhere.

    A number beyond the range of float32, such as the difference of its two ends, becomes the
    nearest that there is: half of it, at the least, and of the right sign.
    """
    return torch.where(use_NT, value.double().clamp(-_LARGEST, _LARGEST), 0.0).float()


def whiten(value_NT: Tensor, mask_NT: Tensor, unbiased: bool = True) -> Tensor:
    """float32: (x - mean) / sqrt(var + 1e-8) over masked entries, 0 elsewhere.

    The variance has ddof 1, or 0 without ``unbiased``.

    Reckoned in float64, from the largest entry: equal entries give exactly 0. With fewer than
    two entries there is no spread to divide by and the result is 0.
    """
    if int(mask_NT.sum()) < 2:
        return torch.zeros_like(value_NT, dtype=torch.float32)
    wide_NT = value_NT.double()
    below_NT = wide_NT - wide_NT[mask_NT].detach().max()
    kept = below_NT[mask_NT]
    scaled_NT = (below_NT - kept.mean()) / (kept.var(unbiased=unbiased) + 1e-8).sqrt()
    return torch.where(mask_NT, scaled_NT, 0.0).float()
