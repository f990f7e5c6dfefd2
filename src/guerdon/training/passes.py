"""Passes over given items in shuffled batches: what fitting to texts, pairs and rankings shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from guerdon.records import Progress
from guerdon.training.learner import Learner

Figures = dict[str, float]
"""One update's, by name."""

AfterUpdate = Callable[[int, int, Figures], None]
"""Called after each update with how many are done, how many there will be, and its figures."""

Learn = Callable[[Tensor], Figures]
"""One update on the items long[n]; the rate is set already."""


def count_updates(items: int, epochs: int, batch: int) -> int:
    """How many updates ``epochs`` passes make; a pass's last batch may be smaller."""
    return epochs * -(-items // batch)


def batch_at(step: int, items: int, batch: int, seed: int) -> Tensor:
    """The items long[n] of update ``step``: the order of a pass is drawn from seed and pass alone,
    so that nothing need be remembered to go on.
    """
    epoch, place = divmod(step, -(-items // batch))
    generator = torch.Generator().manual_seed(seed + 1_000_003 * epoch)
    return torch.randperm(items, generator=generator)[place * batch : (place + 1) * batch]


def passes(
    learner: Learner[Any],
    items: int,
    learn: Learn,
    *,
    epochs: int,
    batch: int,
    seed: int,
    report: AfterUpdate | None = None,
) -> list[Figures]:
    """``epochs`` passes over ``items``, without a run around them; all figures."""
    total = count_updates(items, epochs, batch)
    history: list[Figures] = []
    for step in range(total):
        learner.begin(Progress(step, total))
        history.append(learn(batch_at(step, items, batch, seed)))
        if report is not None:
            report(step + 1, total, history[-1])
    return history
