"""Estimators of the divergence from the reference policy, from samples of the policy.

All take ``x = logp - reference_logp`` (and, where a gradient is corrected, ``logp``) at the
sampled actions. Their values and their gradients as a loss differ; see each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.ranges import NonNegative, check_ranges

Estimator = Callable[[Tensor, Tensor], Tensor]
"""(logp_NT with gradient, reference_logp_NT) -> float[N, T]."""

_BOUND = 20.0


def _log_ratio(logp: Tensor, reference: Tensor) -> Tensor:
    return (logp - reference).clamp(-_BOUND, _BOUND)


def k1(logp: Tensor, reference: Tensor) -> Tensor:
    """``x``: unbiased for KL(pi || ref); expected gradient as a loss on policy is 0.

    >>> k1(torch.tensor([-1.0]), torch.tensor([-1.5])).tolist()
    [0.5]
    """
    return _log_ratio(logp, reference)


def k2(logp: Tensor, reference: Tensor) -> Tensor:
    """``x^2 / 2``: biased in value; expected gradient is that of KL(pi || ref).

    >>> k2(torch.tensor([-1.0]), torch.tensor([-3.0])).tolist()
    [2.0]
    """
    return 0.5 * _log_ratio(logp, reference) ** 2


def k3(logp: Tensor, reference: Tensor) -> Tensor:
    """``exp(-x) - 1 + x``: unbiased, never negative; gradient is that of KL(ref || pi).

    >>> k3(torch.tensor([-1.0]), torch.tensor([-1.0])).tolist()
    [0.0]
    """
    x = _log_ratio(logp, reference)
    return torch.exp(-x) - 1 + x


def k3_straight_through(logp: Tensor, reference: Tensor) -> Tensor:
    """The value of `k3` with the gradient of `k2`."""
    gradient = k2(logp, reference)
    return gradient + (k3(logp, reference) - gradient).detach()


def k3_corrected(logp: Tensor, reference: Tensor) -> Tensor:
    """`k3` times the ratio pi / stop_gradient(pi): expected gradient of KL(pi || ref)."""
    return torch.exp(logp - logp.detach()) * k3(logp, reference)


@dataclass(frozen=True)
class KL:
    """A divergence term in the loss: ``coefficient`` times the estimate, per token."""

    coefficient: NonNegative = 0.001
    """What the estimate is multiplied by."""
    estimator: Estimator = k3
    """How the divergence is estimated from samples."""

    def __post_init__(self) -> None:
        check_ranges(self)
