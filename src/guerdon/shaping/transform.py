"""A curve over the reward less its references: PAR, LSC and what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.curves import Curve, Sigmoid
from guerdon.shaping.references import ColumnReferences, References


@dataclass(frozen=True)
class Transform:
    """``u_i = mean_j curve(r_i - reference_j)`` over the references of the row's task.

    The default is preference-as-reward (PAR, 2502.18770): the mean probability of beating a
    reference, 0.5 at the reference. `LogSigmoid` with a quantile is LSC (2402.00742), `Linear`
    is plain centring. A task without references gets ``curve(r_i)``. Shifting a task's rewards
    and references alike changes nothing. Raises ValueError for placed scores: shape first,
    then lay penalties over tokens.
    """

    name: ClassVar[str] = "transform"

    curve: Curve = Sigmoid()
    """The curve that differences go through."""
    references: References = ColumnReferences()
    """Where a task's reference rewards come from."""

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        reference_NM = self.references(rollouts)[rollouts.group]
        # In float64: the difference of two float32 numbers need not be one.
        return scores.map(lambda value_N: self._curved(value_N.double(), reference_NM.double()))

    def _curved(self, value_N: Tensor, reference_NM: Tensor) -> Tensor:
        known_NM = torch.isfinite(reference_NM)
        curved_NM = self.curve(value_N[:, None] - torch.where(known_NM, reference_NM, 0.0))
        count_N = known_NM.sum(1)
        mean_N = torch.where(known_NM, curved_NM, 0.0).sum(1) / count_N.clamp_min(1)
        return torch.where(count_N > 0, mean_N, self.curve(value_N))

    @classmethod
    def example(cls) -> Transform:
        return cls()
