"""Pairs of a group's rows in which one is better in every way that counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.records import Chosen, Pairs, Progress, Rollouts, Scores


def dominating(value_NK: Tensor, valid_N: Tensor, group_N: Tensor) -> Pairs:
    """All pairs of valid rows of a group of which one dominates: no worse anywhere, better once.

    Rows of float[N, K]; with one column that is the higher value. A group of M rows without ties
    gives M (M - 1) / 2 pairs, in the order of its rows; ties, and rows each of which is better in
    something, give none.
    """
    chosen, rejected = [], []
    for group in group_N.unique().tolist():
        rows = (valid_N & (group_N == group)).nonzero().flatten()
        value_MK = value_NK[rows]
        least_MM = (value_MK[:, None] >= value_MK).all(2)
        beats_MM = least_MM & ~least_MM.T
        first, second = torch.triu_indices(len(rows), len(rows), 1)
        won, lost = beats_MM[first, second], beats_MM[second, first]
        told = won | lost
        chosen.append(rows[torch.where(won, first, second)[told]])
        rejected.append(rows[torch.where(won, second, first)[told]])
    none = torch.zeros(0, dtype=torch.long)
    return Pairs(torch.cat([none, *chosen]), torch.cat([none, *rejected]))


@dataclass(frozen=True)
class AllPairs:
    """Every pair of a group's rows in which one is better; ties teach nothing.

    Better is the higher value, or, with names of parts in ``by``, what is no worse in any of them
    and better in one. Rows that are in no pair are left out, as are those that could not be judged.
    """

    by: tuple[str, ...] = ()
    """The parts in which a row must be no worse; empty: the total alone."""

    name: ClassVar[str] = "all-pairs"

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Chosen:
        """Raises ValueError for a part that the scores lack."""
        lacking = [part for part in self.by if part not in scores.parts]
        if lacking:
            known = ", ".join(scores.parts) or "none"
            raise ValueError(f"AllPairs.by names {lacking[0]!r}; the parts are {known}")
        value_NK = torch.stack([scores.parts[part] for part in self.by] or [scores.value], 1)
        pairs = dominating(value_NK, scores.valid & value_NK.isfinite().all(1), rollouts.group)
        rows = torch.cat([pairs.chosen, pairs.rejected]).unique()
        return Chosen(rows, pairs.select(rows, len(scores)))

    @classmethod
    def example(cls) -> AllPairs:
        return cls(("a", "b"))
