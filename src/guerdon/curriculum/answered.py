"""Training tasks chosen by how the policy answers them before it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from guerdon.curriculum.selection import Pick, easy, hard, select_by_score
from guerdon.judging import judged
from guerdon.ranges import Finite, NonNegative, PositiveInt, Share, check_ranges
from guerdon.records import Progress, Task, first_views, with_views
from guerdon.stages import Policy, Reward, Sampling


@dataclass(frozen=True)
class ByReward:
    """A `Preparation`: ``count`` of the tasks by the reward of one answer each (2505.11080).

    Questions of several views are chosen by the first, and with the others. Answers are drawn by
    ``sampling``; ``which`` picks by their rewards (`hard`: the lowest).
    Ungradable tasks are never chosen. Raises ValueError where fewer than ``count`` can be graded.
    """

    reward: Reward
    count: PositiveInt = 400
    which: Pick = hard
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.7, top_p=0.9))

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, policy: Policy, tasks: Sequence[Task]) -> list[Task]:
        asked = first_views(tasks)
        scores = judged(self.reward, policy.sample(asked, 1, self.sampling, 0), Progress())
        chosen = select_by_score(asked, scores.value.tolist(), self.count, self.which)
        return with_views(chosen, tasks)


@dataclass(frozen=True)
class ByVariance:
    """A `Preparation`: at most ``count`` of the tasks by their rewards' variance (2506.01908).

    Questions of several views are chosen by the first, and with the others. Each is answered
    ``draws`` times. Tasks whose population variance is below ``varied`` or whose
    best reward is below ``good`` are left out; of the others ``which`` picks by variance (`easy`:
    the largest). Raises ValueError where no task is left.
    """

    reward: Reward
    count: PositiveInt = 400
    draws: PositiveInt = 8
    varied: NonNegative = 0.01
    good: Finite = 0.3
    which: Pick = easy

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, policy: Policy, tasks: Sequence[Task], seed: int = 0) -> list[Task]:
        asked = first_views(tasks)
        rows = policy.sample(asked, self.draws, Sampling(), seed)
        value_BK = judged(self.reward, rows, Progress()).value.reshape(len(asked), -1)
        variance_B = value_BK.var(1, correction=0)
        kept_B = (variance_B >= self.varied) & (value_BK.amax(1) >= self.good)
        if not kept_B.any():
            raise ValueError(
                f"none of {len(asked)} tasks varies by {self.varied} up to {self.good}"
            )
        ranked = variance_B.where(kept_B, torch.nan).tolist()
        count = min(self.count, int(kept_B.sum()))
        return with_views(select_by_score(asked, ranked, count, self.which, seed), tasks)


@dataclass(frozen=True)
class Attainable:
    """A `Preparation` that leaves the tasks as they are, and looks whether the reward can be had.

    ``count`` of them, evenly from all, are answered ``draws`` times by ``sampling``. Raises
    ValueError where less than ``least`` of the gradable answers earn more than 0: a reward that
    is the same everywhere teaches nothing. DianJin-R1 (2504.15716) asks for its form so, before
    it trains by a product of form and accuracy.
    """

    reward: Reward
    """What has to be earned now and then, such as the form."""
    least: Share = 0.02
    """The share of answers that has to earn something."""
    count: PositiveInt = 32
    """How many tasks are asked."""
    draws: PositiveInt = 4
    """How often each of them is."""
    sampling: Sampling = field(default_factory=Sampling)
    """How answers are drawn."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, policy: Policy, tasks: Sequence[Task]) -> Sequence[Task]:
        asked = first_views(tasks)
        asked = asked[:: -(-len(asked) // self.count) or 1]
        scores = judged(self.reward, policy.sample(asked, self.draws, self.sampling, 0), Progress())
        earned = int((scores.value[scores.valid] > 0).sum())
        graded = int(scores.valid.sum())
        if asked and earned < max(self.least * graded, 1):
            raise ValueError(
                f"{earned} of {graded} answers of the untrained policy earn anything by "
                f"{type(self.reward).__name__}, and Attainable.least asks for {self.least:.1%}: it "
                "would learn nothing. Train on demonstrations first, or name a policy that was"
            )
        return tasks
