"""Training tasks on which the model to be trained wavers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from guerdon.curriculum import Ranking, easy, select_by_score
from guerdon.judging import judged
from guerdon.ranges import Finite, NonNegative, PositiveInt, check_ranges
from guerdon.records import Progress, Task
from guerdon.stages import Policy, Reward, Sampling, TaskSource
from guerdon.training.policies import load_policy
from guerdon.training.recipe import Model


@dataclass(frozen=True)
class VaryingTasks:
    """At most ``count`` training tasks of ``source``, by their rewards' variance (2506.01908).

    ``model`` answers each ``draws`` times. Tasks whose population variance is below ``varied``
    or whose best reward is below ``good`` are left out; of the others ``which`` picks by variance
    (`easy`: the largest). The test split is whole. Raises ValueError where no task is left.
    """

    source: TaskSource
    reward: Reward
    count: PositiveInt = 400
    draws: PositiveInt = 8
    varied: NonNegative = 0.01
    good: Finite = 0.3
    which: Ranking = easy
    model: Model = field(default_factory=Model)

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test"."""
        tasks = self.source.load(split)
        return tasks if split == "test" else self.choose(load_policy(self.model), tasks)

    def choose(self, policy: Policy, tasks: Sequence[Task], seed: int = 0) -> list[Task]:
        """The tasks on which ``policy`` wavers."""
        rows = policy.sample(tasks, self.draws, Sampling(), seed)
        value_BK = judged(self.reward, rows, Progress()).value.reshape(len(tasks), -1)
        variance_B = value_BK.var(1, correction=0)
        kept_B = (variance_B >= self.varied) & (value_BK.amax(1) >= self.good)
        if not kept_B.any():
            raise ValueError(
                f"none of {len(tasks)} tasks varies by {self.varied} up to {self.good}"
            )
        ranked = variance_B.where(kept_B, torch.nan).tolist()
        count = min(self.count, int(kept_B.sum()))
        return select_by_score(tasks, ranked, count, self.which, seed)
