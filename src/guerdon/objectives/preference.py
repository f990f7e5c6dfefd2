"""Preference objectives: a loss from summed log-probs of chosen and rejected completions.

``delta = (chosen - ref_chosen) - (rejected - ref_rejected)``, all float[N]. The reported
``margin`` and ``accuracy`` are of the implicit reward ``beta delta``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from guerdon.ranges import Positive, Range, check_ranges
from guerdon.records import Loss


@dataclass(frozen=True)
class DPO:
    """``-log sigmoid(beta delta)`` (2305.18290, eq. 7), with conservative label smoothing.

    Smoothing e: ``-(1 - e) log sigmoid(z) - e log sigmoid(-z)``.
    """

    beta: Positive = 0.1
    label_smoothing: Annotated[float, Range(0, 0.5, open_high=True)] = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss:
        z = self.beta * _delta(chosen, rejected, ref_chosen, ref_rejected)
        e = self.label_smoothing
        return _loss(-(1 - e) * logsigmoid(z) - e * logsigmoid(-z), z)


@dataclass(frozen=True)
class IPO:
    """``(delta - 1 / (2 beta))^2`` (2310.12036, eq. 17)."""

    beta: Positive = 0.1

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss:
        delta = _delta(chosen, rejected, ref_chosen, ref_rejected)
        return _loss((delta - 1 / (2 * self.beta)) ** 2, self.beta * delta)


@dataclass(frozen=True)
class Hinge:
    """``max(0, 1 - beta delta)`` (2309.06657)."""

    beta: Positive = 0.1

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss:
        z = self.beta * _delta(chosen, rejected, ref_chosen, ref_rejected)
        return _loss(relu(1 - z), z)


def _delta(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor) -> Tensor:
    return (chosen - ref_chosen) - (rejected - ref_rejected)


def _loss(loss_N: Tensor, margin_N: Tensor) -> Loss:
    margin = margin_N.detach()
    return Loss(
        loss_N.mean(),
        {"margin": float(margin.mean()), "accuracy": float((margin > 0).float().mean())},
    )
