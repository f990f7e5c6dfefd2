"""The best rows of a group, alone or against the worst, and whole groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.ranges import NonNegative, PositiveInt, check_ranges
from guerdon.records import Chosen, Experience, Pairs, Progress, Rollouts, Scores
from guerdon.stages import GroupFilter


@dataclass(frozen=True)
class BestOfN:
    """The ``keep`` best valid rows of each group: what best-of-n fine-tuning learns from.

    Of equal rows the first. A group with fewer valid rows gives those that it has. With the
    advantage `Imitation` and the objective `PolicyGradient` it is rejection sampling (RAFT,
    2304.06767).
    """

    keep: PositiveInt = 1
    """How many of a group are learned from."""

    name: ClassVar[str] = "best-of-n"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Chosen:
        kept = [rows[: self.keep] for rows in _best_first(scores, rollouts)]
        return Chosen(torch.cat([_NONE, *kept]).sort().values)

    @classmethod
    def example(cls) -> BestOfN:
        return cls(3)


@dataclass(frozen=True)
class BestAgainstWorst:
    """The best valid row of each group against its worst: a pair for a preference objective.

    Of equal rows the first. A group whose two differ by no more than ``least`` gives none, and so
    does a group of one.
    """

    least: NonNegative = 0.0
    """How far apart the two must be."""

    name: ClassVar[str] = "best-against-worst"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Chosen:
        ends = [
            (int(rows[0]), int(rows[-1])) for rows in _best_first(scores, rollouts) if len(rows)
        ]
        value = scores.value
        apart = [(a, b) for a, b in ends if float(value[a] - value[b]) > self.least]
        best_M, worst_M = torch.tensor(apart, dtype=torch.long).reshape(-1, 2).unbind(1)
        rows = torch.cat([best_M, worst_M]).sort().values
        return Chosen(rows, Pairs(best_M, worst_M).select(rows, len(scores)))

    @classmethod
    def example(cls) -> BestAgainstWorst:
        return cls(1.0)


@dataclass(frozen=True)
class WholeGroups:
    """All rows of the groups that a group filter keeps; unlike in ``filter``, all are judged,
    observed and shown, and nothing is sampled in place of the others."""

    by: GroupFilter
    """The filter that says which groups."""

    name: ClassVar[str] = "whole-groups"
    made_of: ClassVar[str] = "a group filter"
    no_example: ClassVar[str] = "it goes by a filter of groups, which is another stage's"

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Chosen:
        kept_B = self.by(Experience(rollouts, scores, progress=progress))
        return Chosen(kept_B[rollouts.group].nonzero().flatten())


_NONE = torch.zeros(0, dtype=torch.long)


def _best_first(scores: Scores, rollouts: Rollouts) -> list[Tensor]:
    """The valid rows of each group long[M], the best first; equal ones in their order."""
    found = []
    for group in range(len(rollouts.tasks)):
        rows = (scores.valid & (rollouts.group == group)).nonzero().flatten()
        found.append(rows[torch.argsort(scores.value[rows], descending=True, stable=True)])
    return found
