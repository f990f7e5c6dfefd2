"""A shaper that comes or goes as the run proceeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from guerdon.ranges import Finite, Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.linear import Affine
from guerdon.stages import Shaper


class Weight(Protocol):
    """A number as the run proceeds."""

    def __call__(self, progress: Progress) -> float: ...


@dataclass(frozen=True)
class LinearWeight:
    """``start`` up to the share ``begin`` of the run, ``end`` from ``finish`` on, a line between.

    ``begin`` equal to ``finish`` is a step at that share.
    """

    start: Finite = 0.0
    end: Finite = 1.0
    begin: Share = 0.0
    finish: Share = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.begin > self.finish:
            raise ValueError(
                f"LinearWeight needs begin <= finish, got {self.begin} and {self.finish}"
            )

    def __call__(self, progress: Progress) -> float:
        if progress.fraction >= self.finish:
            return self.end
        if progress.fraction <= self.begin:
            return self.start
        done = (progress.fraction - self.begin) / (self.finish - self.begin)
        return self.start + done * (self.end - self.start)


@dataclass(frozen=True)
class Annealed:
    """``(1 - w) r + w shaper(r)``, the weight ``w`` following the run's progress.

    At weight 0 the scores pass unchanged (the shaper still sees them, for its memory). Where
    the shaper places rewards, or they were placed before, placements are mixed alike. A row
    that the shaper makes invalid is invalid.
    """

    shaper: Shaper = Affine()
    weight: Weight = LinearWeight()

    @property
    def needs_reference(self) -> bool:
        """True if the shaper reads ``rollouts.reference_logps``."""
        return bool(getattr(self.shaper, "needs_reference", False))

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        weight = self.weight(progress)
        shaped = self.shaper(scores, rollouts, progress)
        if weight == 0:
            return scores
        placed = None
        if scores.placed is not None or shaped.placed is not None:
            plain_NT, bent_NT = (s.at_positions(rollouts.mask) for s in (scores, shaped))
            placed = _between(plain_NT, bent_NT, weight)
        return replace(shaped, value=_between(scores.value, shaped.value, weight), placed=placed)


def _between(plain: Tensor, bent: Tensor, weight: float) -> Tensor:
    """In float64, since the difference of two float32 numbers need not be one."""
    return torch.lerp(plain.double(), bent.double(), weight).float()
