"""Held-out evaluation: one answer per task that training never sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from guerdon.composition import needs_of
from guerdon.failures import Tally, failing, tally
from guerdon.judging import judged
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.stages import Policy, Reward, Sampling
from guerdon.training.recording import recorded
from guerdon.training.update import ALONE, Shard
from guerdon.traits import range_of

_AT_A_TIME = 16

OWN = ""
"""The name of a run's own held-out set; exams have names."""


@dataclass(frozen=True)
class HeldOut:
    """Results in the tasks' order.

    ``results`` holds the "accuracy" part where the reward has one, else its value; NaN where
    the grade is invalid. ``failed`` of these are so because the reward raised, ran out of time
    or lost its process, and ``failure`` is that in a sentence; ``reasons`` counts all invalid
    ones. ``ends`` are the least and greatest result that there can be, where they are known.
    """

    results: tuple[float, ...]
    metric: str
    truncated: float
    mean_length: float
    failed: int = 0
    failure: str = ""
    reasons: Mapping[str, int] = field(default_factory=dict)
    ends: tuple[float, float] | None = None

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
        raise ValueError(
            "there are no held-out tasks to evaluate on: give the tasks a test split (a second "
            "file, or a share of the first) and let loop.evaluation_tasks be above 0"
        )
    mine = list(tasks[shard.rank :: shard.world])
    rows: list[tuple[float, bool, float]] = []
    metric, invalid = "value", Tally()
    for start in range(0, len(mine), batch):
        with torch.no_grad():
            rollouts = policy.sample(mine[start : start + batch], 1, sampling, seed)
        rollouts = recorded(policy, rollouts, needs_of(reward), _AT_A_TIME)
        scores = judged(reward, rollouts, progress or Progress())
        metric = "accuracy" if "accuracy" in scores.parts else metric
        invalid += tally(rollouts, scores)
        rows.extend(_rows(rollouts, scores))
    gathered = shard.gather((metric, rows, invalid))
    ordered: list[tuple[float, bool, float]] = [(float("nan"), False, 0.0)] * len(tasks)
    for rank, (_, part, _) in enumerate(gathered):
        ordered[rank :: shard.world] = part
    whole = sum((counted for *_, counted in gathered), start=Tally())
    results = tuple(r for r, _, _ in ordered)
    metric = max((name for name, *_ in gathered), key=lambda name: name == "accuracy")
    return HeldOut(
        results=results,
        metric=metric,
        truncated=sum(not done for _, done, _ in ordered) / len(ordered),
        mean_length=sum(n for _, _, n in ordered) / len(ordered),
        failed=whole.failed,
        failure=failing(whole),
        reasons=whole.reasons,
        ends=_ends(reward, metric, results),
    )


def _ends(reward: Reward, metric: str, results: Sequence[float]) -> tuple[float, float] | None:
    """The range that the reward states (an accuracy's is 0 to 1), if it holds all results."""
    low, high = (0.0, 1.0) if metric == "accuracy" else range_of(reward) or (0, 0)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return None
    inside = all(low <= result <= high for result in results if result == result)
    return (float(low), float(high)) if inside else None


def _rows(rollouts: Rollouts, scores: Scores) -> list[tuple[float, bool, float]]:
    values = scores.parts.get("accuracy", scores.value)
    values = values.masked_fill(~scores.valid, float("nan"))
    # Who acted nowhere is a remote model, whose tokens are not known: NaN, not 0.
    lengths = rollouts.mask.sum(1).float().masked_fill(~rollouts.mask.any(1), float("nan"))
    return list(zip(values.tolist(), rollouts.finished.tolist(), lengths.tolist(), strict=True))
