"""Rewards that the connector tests export: each has a case that can't be graded."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import ClassVar

import torch

from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards import GroupZAverage, LengthReward, WeightedSum, reward


@reward
def right(completion, answer):
    """1 if right, 0 if wrong; a completion saying "crash" can't be graded."""
    if "crash" in completion:
        raise RuntimeError("grader broke")
    return float(completion.strip() == str(answer))


@reward
def brief(completion):
    return -0.01 * len(completion)


@reward
def about(completion, prompt, topic):
    return float(topic in completion) + float(prompt in completion)


BOTH = WeightedSum({"right": right, "brief": brief}, {"right": 2.0})
"""For the answer "4": "4" scores 2 - 0.01 = 1.99, "55" scores 0 - 0.02, "crash" is invalid."""

Z = GroupZAverage({"right": right}, unbiased=False)
"""Needs groups: right and wrong in one group score 1 and -1 (epsilon aside)."""

LENGTH = LengthReward(longest=2, margin=10)
"""Reads tokens: two tokens score 1, seven score 0.5."""


@dataclass(frozen=True)
class Scored:
    """These scores, also as the part "right"."""

    values: tuple[float, ...]
    scope: ClassVar[str] = "group"

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return Scores(torch.tensor(self.values), {"right": torch.tensor(self.values)})


class Slow:
    """Counts how many calls and rows it gets, and whether two calls ever overlap."""

    def __init__(self, reward=right, seconds: float = 0.05) -> None:
        self.reward, self.scope = reward, reward.scope
        self.seconds, self.sizes, self.overlapped = seconds, [], False
        self._inside = threading.Lock()

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        if not self._inside.acquire(blocking=False):
            self.overlapped = True
            self._inside.acquire()
        try:
            self.sizes.append(len(rollouts))
            time.sleep(self.seconds)
            return self.reward(rollouts, progress)
        finally:
            self._inside.release()
