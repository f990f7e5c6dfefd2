"""Held-out evaluation: one answer per task that training never sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.stages import Policy, Reward, Sampling
from guerdon.training.update import ALONE, Shard


@dataclass(frozen=True)
class HeldOut:
    """Results in the tasks' order.

    ``results`` holds the "accuracy" part where the reward has one, else its value; NaN where
    the grade is invalid.
    """

    results: tuple[float, ...]
    metric: str
    truncated: float
    mean_length: float

    @property
    def valid(self) -> list[float]:
        """The results that could be graded."""
        return [r for r in self.results if r == r]

    @property
    def mean(self) -> float:
        """Mean over the graded tasks; NaN if there is none."""
        return sum(self.valid) / len(self.valid) if self.valid else float("nan")


def evaluate(
    policy: Policy,
    tasks: Sequence[Task],
    reward: Reward,
    sampling: Sampling,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    batch: int = 256,
    shard: Shard = ALONE,
) -> HeldOut:
    """Sample one completion of each task and grade it. The seed fixes the samples."""
    if not tasks:
        raise ValueError("there are no held-out tasks to evaluate on")
    mine = list(tasks[shard.rank :: shard.world])
    rows: list[tuple[float, bool, float]] = []
    metric = "value"
    for start in range(0, len(mine), batch):
        with torch.no_grad():
            rollouts = policy.sample(mine[start : start + batch], 1, sampling, seed)
        scores = reward(rollouts, progress or Progress())
        metric = "accuracy" if "accuracy" in scores.parts else "value"
        rows.extend(_rows(rollouts, scores, metric))
    gathered = shard.gather((metric, rows))
    ordered: list[tuple[float, bool, float]] = [(float("nan"), False, 0.0)] * len(tasks)
    for rank, (_, part) in enumerate(gathered):
        ordered[rank :: shard.world] = part
    return HeldOut(
        results=tuple(r for r, _, _ in ordered),
        metric=gathered[0][0],
        truncated=sum(not done for _, done, _ in ordered) / len(ordered),
        mean_length=sum(n for _, _, n in ordered) / len(ordered),
    )


def _rows(rollouts: Rollouts, scores: Scores, metric: str) -> list[tuple[float, bool, float]]:
    values = scores.parts["accuracy"] if metric == "accuracy" else scores.value
    values = values.masked_fill(~scores.valid, float("nan"))
    # Who acted nowhere is a remote model, whose tokens are not known: NaN, not 0.
    lengths = rollouts.mask.sum(1).float().masked_fill(~rollouts.mask.any(1), float("nan"))
    return list(zip(values.tolist(), rollouts.finished.tolist(), lengths.tolist(), strict=True))
