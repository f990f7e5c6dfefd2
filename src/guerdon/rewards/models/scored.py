"""A reward model's score as a reward."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from guerdon.ranges import Finite, Positive, PositiveInt, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.running.rows import encodable, single
from guerdon.stages import Scorer


@dataclass(frozen=True)
class ScorerReward:
    """What a `Scorer` says of each completion, without gradient.

    It is ``(score - mean) / std``, with what the model's own training knows of its scale
    (Fine-Grained RLHF, 2306.01693: mean -0.4468, std 8.301, and a weight of 0.3). The completions
    of a group are scored together, and whole groups at a time until there are ``batch`` completions
    or more. Value and part "reward_model": float[N], unbounded; a score that is not finite makes
    its row invalid.
    """

    name: ClassVar[str] = "scorer"
    made_of: ClassVar[str] = "a reward model"
    no_example: ClassVar[str] = "it says what your reward model says"

    scorer: Scorer
    """The reward model."""
    batch: PositiveInt = 64
    """Completions that are scored at a time, in whole groups."""
    mean: Finite = 0.0
    """What is taken off a score: the mean of the model's training."""
    std: Positive = 1.0
    """What it is divided by then."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        check_ranges(self)

    @torch.no_grad()
    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        value_N = torch.zeros(len(rollouts))
        for groups in self._batches(rollouts):
            tasks = [rollouts.tasks[int(rollouts.group[rows[0]])] for rows in groups]
            texts = [[encodable(rollouts.texts[row]) for row in rows] for rows in groups]
            order = torch.tensor([row for rows in groups for row in rows])
            value_N[order] = self.scorer.score(tasks, texts).float().cpu()
        return single("reward_model", (value_N - self.mean) / self.std)

    def _batches(self, rollouts: Rollouts) -> Iterator[list[list[int]]]:
        """The rows of some groups at a time."""
        members: dict[int, list[int]] = {}
        for row, group in enumerate(rollouts.group.tolist()):
            members.setdefault(group, []).append(row)
        batch: list[list[int]] = []
        for rows in members.values():
            batch.append(rows)
            if sum(map(len, batch)) >= self.batch:
                yield batch
                batch = []
        if batch:
            yield batch
