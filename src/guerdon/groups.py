"""Statistics inside groups, over valid rows only: what comparing a row with its group rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GroupStatistics:
    """Per row, of its group's valid rows: float64[N] mean, std and centred, and count long[N].

    ``centred`` is the row's value less the mean: exactly 0 where all values of the group are
    equal, and on invalid rows. Where a group has no valid row mean and std are 0; std is 0 for a
    single row, and exactly 0 for equal values. All are float64, since the spread of float32
    values need not be one.
    """

    mean: Tensor
    std: Tensor
    centred: Tensor
    count: Tensor

    @property
    def tied(self) -> Tensor:
        """bool[N]: the group's values are equal, or differ by float32's rounding alone, as sums in
        another order do.
        """
        return self.std <= 1e-7 * self.mean.abs()


def group_statistics(
    value_N: Tensor, valid_N: Tensor, group_N: Tensor, unbiased: bool = True
) -> GroupStatistics:
    """Mean, standard deviation and centred values of each row's group (two passes, in float64).

    ``unbiased`` divides by count - 1, else by count. What invalid rows hold is not read; they
    get their group's statistics all the same. Right over the whole range of float32. The
    gradient is finite everywhere: that of a std of 0 is 0.

    >>> value, valid = torch.tensor([1.0, 0.0, 1.0, 9.0]), torch.tensor([True, True, True, False])
    >>> found = group_statistics(value, valid, torch.tensor([0, 0, 1, 1]))
    >>> found.mean.tolist(), found.count.tolist()
    ([0.5, 0.5, 1.0, 1.0], [2, 2, 1, 1])
    >>> found.centred.tolist()
    [0.5, -0.5, 0.0, 0.0]
    """
    groups = int(group_N.max()) + 1 if len(group_N) else 0
    zeros = torch.zeros(groups, dtype=torch.float64)
    count = zeros.index_add(0, group_N, valid_N.double())
    # Measured from the group's largest value, equal values come out as exactly 0.
    known_N = torch.where(valid_N, value_N.detach().double(), -math.inf)
    top_B = torch.full_like(zeros, -math.inf).scatter_reduce(0, group_N, known_N, "amax")
    top_N = torch.where(valid_N, top_B[group_N], 0.0)
    below_N = torch.where(valid_N, value_N.double(), 0.0) - top_N
    below_B = zeros.index_add(0, group_N, below_N) / count.clamp_min(1)
    centred_N = torch.where(valid_N, below_N - below_B[group_N], 0.0)
    squares = zeros.index_add(0, group_N, centred_N**2)
    mean = below_B + torch.where(count > 0, top_B, 0.0)
    std = root(squares / (count - int(unbiased)).clamp_min(1))
    return GroupStatistics(mean[group_N], std[group_N], centred_N, count.long()[group_N])


def standardised(
    value_N: Tensor, valid_N: Tensor, group_N: Tensor, epsilon: float, unbiased: bool = True
) -> Tensor:
    """float[N]: ``(x - mean) / (std + epsilon)`` over the valid rows of each group.

    0 on invalid rows, in groups of one and, exactly, where the values of a group are tied (see
    `GroupStatistics`). NaN on the valid rows of a group in which one is not finite. ``unbiased`` as
    in `group_statistics`.

    >>> value, all_valid = torch.tensor([3.0, 1.0, 7.0, 7.0]), torch.ones(4).bool()
    >>> standardised(value, all_valid, torch.tensor([0, 0, 1, 1]), 0.0, unbiased=False).tolist()
    [1.0, -1.0, 0.0, 0.0]
    """
    found = group_statistics(value_N, valid_N, group_N, unbiased)
    scaled_N = over(found.centred, torch.where(found.tied, 0.0, found.std + epsilon))
    return torch.where(valid_N, scaled_N, 0.0).float()


def over(above: Tensor, below: Tensor) -> Tensor:
    """``above / below``, and 0 where ``below`` is 0; so is the gradient there.

    >>> over(torch.tensor([6.0, 6.0]), torch.tensor([3.0, 0.0])).tolist()
    [2.0, 0.0]
    """
    nothing = below == 0
    return torch.where(nothing, 0.0, above / torch.where(nothing, 1.0, below))


def root(square: Tensor) -> Tensor:
    """The square root, whose gradient at 0 is 0 and not infinite."""
    some = square != 0
    return torch.where(some, torch.where(some, square, 1.0).sqrt(), 0.0)
