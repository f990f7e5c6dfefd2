"""How token losses become one number: a weight per row from its count of acted tokens.

The loss is ``sum_i weight_i sum_t mask_it loss_it``. Rows without an acted token weigh 0 and
are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.ranges import PositiveInt, check_ranges


@dataclass(frozen=True)
class TokenMean:
    """Mean over all tokens of the batch: DAPO (2503.14476, eq. 8)."""

    def __call__(self, counts: Tensor) -> Tensor:
        return _where_any(counts, torch.full(counts.shape, 1.0) / counts.sum().clamp_min(1))


@dataclass(frozen=True)
class SequenceMean:
    """Mean over sequences of their token means: GRPO as published (2402.03300, eq. 3)."""

    def __call__(self, counts: Tensor) -> Tensor:
        return _where_any(counts, 1.0 / (counts.clamp_min(1) * (counts > 0).sum().clamp_min(1)))


@dataclass(frozen=True)
class SequenceSumMean:
    """Mean over sequences of their token sums."""

    def __call__(self, counts: Tensor) -> Tensor:
        return _where_any(counts, torch.full(counts.shape, 1.0) / (counts > 0).sum().clamp_min(1))


@dataclass(frozen=True)
class ConstantLength:
    """Token sums divided by a constant length, averaged over sequences: Dr. GRPO (2503.20783)."""

    max_tokens: PositiveInt
    """What every sum over tokens is divided by: the longest completion there can be."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, counts: Tensor) -> Tensor:
        return SequenceSumMean()(counts) / self.max_tokens


@dataclass(frozen=True)
class TokenSum:
    """The sum over all tokens."""

    def __call__(self, counts: Tensor) -> Tensor:
        return _where_any(counts, torch.ones(counts.shape))


def _where_any(counts: Tensor, weight_N: Tensor) -> Tensor:
    return torch.where(counts > 0, weight_N, 0.0)
