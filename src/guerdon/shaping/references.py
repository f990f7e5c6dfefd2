"""Reference rewards: what a completion's reward is measured against, per task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Annotated, Protocol

import torch
from torch import Tensor

from guerdon.judging import judged
from guerdon.ranges import Finite, NonNegative, PositiveInt, Range, Seed, check_ranges
from guerdon.records import Progress, Rollouts, Task
from guerdon.stages import Policy, Reward, Sampling


class References(Protocol):
    """Reference rewards of each task: float[B, M], NaN where a task has fewer than M."""

    def __call__(self, rollouts: Rollouts) -> Tensor: ...


@dataclass(frozen=True)
class FixedReferences:
    """The same rewards for every task, such as that of a canned refusal; none by default."""

    rewards: tuple[Finite, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts) -> Tensor:
        return torch.tensor(self.rewards).expand(len(rollouts.tasks), len(self.rewards))


@dataclass(frozen=True)
class ColumnReferences:
    """A column of the task: a number, or a list of them that may be empty or hold NaN.

    `with_references` and `WithReferences` write such a column. Raises ValueError, naming the
    task, where the column is missing or holds anything else.
    """

    column: str = "reference_rewards"

    def __call__(self, rollouts: Rollouts) -> Tensor:
        rows = [self._of(task) for task in rollouts.tasks]
        width = max(map(len, rows), default=0)
        padded = [row + [float("nan")] * (width - len(row)) for row in rows]
        return torch.tensor(padded).reshape(len(rows), width)

    def _of(self, task: Task) -> list[float]:
        if self.column not in task.columns:
            raise ValueError(
                f"task {task.id!r} has no column {self.column!r} of reference rewards; wrap the "
                "tasks in PreparedTasks by WithReferences, or use FixedReferences"
            )
        value = task.columns[self.column]
        try:
            return [float(v) for v in ([value] if isinstance(value, int | float) else value)]
        except (TypeError, ValueError):
            raise ValueError(
                f"task {task.id!r}: column {self.column!r} should be a number or a list of "
                f"numbers, not {value!r:.80}"
            ) from None


@dataclass(frozen=True)
class Quantile:
    """The ``q`` quantile of each task's references, as its only reference.

    Interpolated between neighbours, so it wants many references; see `GaussianQuantile` for
    few. A task without references keeps none.
    """

    references: References = ColumnReferences()
    q: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.85

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts) -> Tensor:
        reference_BM = self.references(rollouts)
        if reference_BM.shape[1] == 0:
            return reference_BM
        return reference_BM.double().nanquantile(self.q, dim=1, keepdim=True)


@dataclass(frozen=True)
class GaussianQuantile:
    """The ``q`` quantile of a normal fitted to each task's references, as its only one.

    ``mean + z_q std`` with the unbiased std, at least ``floor``. One reference is itself the
    quantile; a task without references keeps none. q 0.85 (z 1.0364) as in 2502.18770.
    """

    references: References = ColumnReferences()
    q: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.85
    floor: NonNegative = 1e-5

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts) -> Tensor:
        reference_BM = self.references(rollouts).double()
        count_B1 = torch.isfinite(reference_BM).sum(1, keepdim=True)
        mean_B1 = reference_BM.nanmean(1, keepdim=True)
        square_B1 = (reference_BM - mean_B1).square().nansum(1, keepdim=True)
        std_B1 = (square_B1 / (count_B1 - 1).clamp_min(1)).sqrt().clamp_min(self.floor)
        above_B1 = NormalDist().inv_cdf(self.q) * std_B1
        return torch.where(count_B1 > 1, mean_B1 + above_B1, mean_B1)


def with_references(
    tasks: Sequence[Task],
    policy: Policy,
    reward: Reward,
    count: int,
    sampling: Sampling,
    seed: int = 0,
    column: str = "reference_rewards",
) -> list[Task]:
    """The tasks with a column of ``count`` rewards of the policy's own completions.

    Further columns, "<column>/<part>", hold the reward's parts. Sampled and scored once, then
    frozen. Invalid completions leave NaN, which `References` drop. Use the reward that training
    will use, before any shaping.
    """
    scores = judged(reward, policy.sample(tasks, count, sampling, seed), Progress())
    named = {column: scores.value} | {f"{column}/{k}": part for k, part in scores.parts.items()}
    rows = {name: value.reshape(len(tasks), count).tolist() for name, value in named.items()}
    return [
        replace(task, columns={**task.columns, **{name: row[i] for name, row in rows.items()}})
        for i, task in enumerate(tasks)
    ]


@dataclass(frozen=True)
class WithReferences:
    """A `Preparation`: the tasks `with_references` of the policy before it is trained."""

    reward: Reward
    count: PositiveInt = 10
    sampling: Sampling = field(default_factory=Sampling)
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, policy: Policy, tasks: Sequence[Task]) -> list[Task]:
        """The tasks, with the column "reference_rewards"."""
        return with_references(tasks, policy, self.reward, self.count, self.sampling, self.seed)
