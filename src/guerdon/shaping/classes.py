"""A dense score that refines a verdict and never overturns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from guerdon.ranges import Positive, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.named import part_of

_BOUND = 15.0
"""Beyond this a float32 sigmoid rounds to 0 or 1, and the classes would touch."""


@dataclass(frozen=True)
class RankWithinClass:
    """``sigmoid(steepness * score) + (verdict - 1)``: Qwen2.5-Math (2409.12122).

    ``verdict`` names the part that is 1 for right and 0 for wrong, ``score`` that of the model
    (raw logits). Right rows lie in (0, 1) and wrong ones in (-1, 0), whatever the model says; it
    ranks inside each class. A score far beyond +-30 ranks no more. All-wrong groups now differ
    by the model's noise: drop them with ``Informative(component=verdict)`` for verifier-only
    behaviour. A row whose score is not finite becomes invalid. Raises ValueError for a part the
    reward lacks, and for placed scores.
    """

    name: ClassVar[str] = "rank-within-class"
    made_of: ClassVar[str] = "two named parts"

    verdict: str
    score: str
    steepness: Positive = 0.5

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        verdict_N = part_of(self, scores, self.verdict)
        raw_N = part_of(self, scores, self.score)
        steep_N = (self.steepness * raw_N).clamp(-_BOUND, _BOUND)
        shaped_N = torch.where(torch.isfinite(raw_N), steep_N.sigmoid() + verdict_N - 1, raw_N)
        return scores.map(lambda _: shaped_N)

    @classmethod
    def example(cls) -> RankWithinClass:
        return cls("b", "a")
