"""Which tasks and which groups are worth training on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from guerdon.ranges import NonNegative, check_ranges
from guerdon.records import Experience, Task

Pick = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""(scores sorted-order indices ascending, count, rng) -> chosen positions."""


def hard(order: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The ``count`` lowest scores."""
    return order[:count]


def easy(order: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The ``count`` highest scores."""
    return order[len(order) - count :]


def medium(order: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The ``count`` scores around the middle."""
    start = (len(order) - count) // 2
    return order[start : start + count]


def at_random(order: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Any ``count``."""
    return rng.permutation(order)[:count]


def select_by_score(
    tasks: Sequence[Task],
    scores: Sequence[float],
    count: int,
    which: Pick = hard,
    seed: int = 0,
) -> list[Task]:
    """``count`` tasks by the score of the model that will be trained (BLEUBERI's selection).

    Tasks whose score is NaN (ungradable) are never chosen; ties keep the tasks' order.
    Raises ValueError when fewer than ``count`` tasks have a score.
    """
    values = np.asarray(scores, dtype=float)
    if len(values) != len(tasks):
        raise ValueError(f"{len(tasks)} tasks but {len(values)} scores")
    if count < 0:
        raise ValueError(f"count is {count}; give 0 or more")
    graded = np.flatnonzero(np.isfinite(values))
    if len(graded) < count:
        raise ValueError(f"{count} tasks wanted but only {len(graded)} have a score")
    order = graded[np.argsort(values[graded], kind="stable")]
    chosen = which(order, count, np.random.Generator(np.random.Philox(seed)))
    return [tasks[int(i)] for i in chosen]


@dataclass(frozen=True)
class Informative:
    """Keep groups whose rewards differ: DAPO's dynamic sampling (2503.14476, section 3.2).

    ``component`` names the part of the scores to look at ("" = the total). Invalid rows are
    not looked at; a group with fewer than two valid rows, or with all values within
    ``tolerance``, is dropped.
    """

    component: str = ""
    """The part of the reward that is looked at; empty: the total."""
    tolerance: NonNegative = 1e-9
    """What values may differ by and count as equal."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        if self.component and self.component not in scores.parts:
            raise ValueError(
                f"Informative.component is {self.component!r} but the reward has "
                f"{', '.join(scores.parts)}"
            )
        value_N = scores.parts[self.component] if self.component else scores.value
        ok = scores.valid & torch.isfinite(value_N)
        group, value = rollouts.group[ok], value_N[ok]
        low = torch.full((len(rollouts.tasks),), float("inf"))
        high = torch.full((len(rollouts.tasks),), float("-inf"))
        low.scatter_reduce_(0, group, value, "amin")
        high.scatter_reduce_(0, group, value, "amax")
        return high - low > self.tolerance

    @classmethod
    def example(cls) -> Informative:
        return cls("a", 0.1)
