"""Statistics inside groups, over valid rows only: what comparing a row with its group rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


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
    """Mean and standard deviation of each row's group (two passes, in float64).

    ``unbiased`` divides by count - 1, else by count. What invalid rows hold is not read; they
    get their group's statistics all the same. Mean and std have the type of ``value_N``. The
    mean of equal values may be off by its rounding: `standardised` is exact there.
    """
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


def standardised(
    value_N: Tensor, valid_N: Tensor, group_N: Tensor, epsilon: float, unbiased: bool = True
) -> Tensor:
    """float[N]: ``(x - mean) / (std + epsilon)`` over the valid rows of each group.

    0 on invalid rows, in groups of one and, exactly, where all values of a group are equal. NaN
    on the valid rows of a group in which one is not finite. ``unbiased`` as in `group_statistics`.
    """
    groups = int(group_N.max()) + 1 if len(group_N) else 0
    # Measured from the group's largest value, equal values come out as exactly 0.
    known_N = torch.where(valid_N, value_N, -math.inf).double()
    top_B = torch.full((groups,), -math.inf, dtype=torch.double)
    top_B = top_B.scatter_reduce(0, group_N, known_N, "amax")
    below_N = torch.where(valid_N, value_N.double() - top_B[group_N], 0.0)
    statistics = group_statistics(below_N, valid_N, group_N, unbiased)
    centred_N = torch.where(valid_N, below_N - statistics.mean, 0.0)
    scaled_N = centred_N / (statistics.std + epsilon)
    return torch.where(valid_N & (statistics.std != 0), scaled_N, 0.0).float()
