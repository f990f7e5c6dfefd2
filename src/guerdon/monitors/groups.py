"""What the rows of a group differ by, part by part of the reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.ranges import NonNegative, check_ranges
from guerdon.records import Experience


@dataclass(frozen=True)
class GroupSpread:
    """Which groups can teach something, by the shaped value and by each part of it.

    ``dead`` is the share of groups whose rows all have the same value, to within ``tolerance``, and
    ``dead/PART`` the same of a part: a reward that moves by one part alone shows where the others
    are all dead. ``spread`` and ``spread/PART`` are the mean over groups of the standard deviation,
    without Bessel's correction. Of a group's rows the valid ones count whose number is finite; a
    group of one such row is dead, one of none is left out. A number that no group has gives no
    figure.
    """

    parts: tuple[str, ...] = ()
    """The parts to look at; none means all that the scores have."""
    tolerance: NonNegative = 1e-6
    """How far apart values may be that count as the same."""

    name: ClassVar[str] = "group-spread"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Mapping[str, float]:
        """Raises ValueError for a part that the scores lack, where a row is valid."""
        scores, group_N = experience.scores, experience.rollouts.group
        lacking = [part for part in self.parts if part not in scores.parts]
        if lacking and bool(scores.valid.any()):
            known = ", ".join(scores.parts) or "none"
            raise ValueError(f"GroupSpread.parts names {lacking[0]!r}; the parts are {known}")
        looked_at = {"": scores.value}
        looked_at |= {
            f"/{name}": part
            for name, part in scores.parts.items()
            if name in self.parts or not self.parts
        }
        figures: dict[str, float] = {}
        for end, value_N in looked_at.items():
            use_N = scores.valid & value_N.isfinite()
            figures |= self._of(value_N[use_N].double(), group_N[use_N], end)
        return figures

    def _of(self, value_M: Tensor, group_M: Tensor, end: str) -> dict[str, float]:
        if not len(value_M):
            return {}
        _, place_M, count_B = torch.unique(group_M, return_inverse=True, return_counts=True)
        zeros_B = torch.zeros(len(count_B), dtype=value_M.dtype)
        high_B = zeros_B.scatter_reduce(0, place_M, value_M, "amax", include_self=False)
        low_B = zeros_B.scatter_reduce(0, place_M, value_M, "amin", include_self=False)
        mean_B = zeros_B.index_add(0, place_M, value_M) / count_B
        off_M = (value_M - mean_B[place_M]) ** 2
        spread_B = (zeros_B.index_add(0, place_M, off_M) / count_B).sqrt()
        dead_B = (high_B - low_B) <= self.tolerance
        return {f"dead{end}": float(dead_B.double().mean()), f"spread{end}": float(spread_B.mean())}

    @classmethod
    def example(cls) -> GroupSpread:
        return cls()
