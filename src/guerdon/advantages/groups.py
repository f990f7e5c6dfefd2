"""Statistics inside groups, over valid rows only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.records import Rollouts, Scores


@dataclass(frozen=True)
class GroupStatistics:
    """Per row, of its group's valid rows: mean float[N], std float[N], count long[N].

    Where a group has no valid row mean and std are 0; std is 0 for a single row.
    """

    mean: Tensor
    std: Tensor
    count: Tensor


def group_statistics(
    value_N: Tensor, valid_N: Tensor, group_N: Tensor, unbiased: bool = True
) -> GroupStatistics:
    """Mean and standard deviation of each row's group (two passes, in float64)."""
    groups = int(group_N.max()) + 1 if len(group_N) else 0
    kept, group = value_N[valid_N].double(), group_N[valid_N]
    zeros = torch.zeros(groups, dtype=torch.float64)
    count = zeros.index_add(0, group, torch.ones_like(kept))
    mean = zeros.index_add(0, group, kept) / count.clamp_min(1)
    spread = zeros.index_add(0, group, (kept - mean[group]) ** 2)
    std = (spread / (count - int(unbiased)).clamp_min(1)).sqrt()
    return GroupStatistics(
        mean[group_N].to(value_N.dtype), std[group_N].to(value_N.dtype), count.long()[group_N]
    )


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
