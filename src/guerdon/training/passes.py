"""Passes over given items in shuffled batches: what fitting to texts, pairs and rankings shares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from guerdon.records import Loss, Progress
from guerdon.training.allocator import keep_freed_memory
from guerdon.training.optimisers import Optimiser, Trainable
from guerdon.training.update import Guard, apply_gradients

Figures = dict[str, float]
"""One update's, by name."""

Report = Callable[[int, int, Figures], None]
"""Called after each update with how many are done, how many there will be, and its figures."""

Learn = Callable[[Tensor, torch.optim.Optimizer, Guard], Figures]
"""One update on the items long[n]; the rate is set already."""


def count_updates(items: int, epochs: int, batch: int) -> int:
    """How many updates `passes` makes; an epoch's last batch may be smaller."""
    return epochs * -(-items // batch)


def passes(
    model: Trainable,
    items: int,
    learn: Learn,
    *,
    epochs: int,
    batch: int,
    optimiser: Optimiser,
    seed: int,
    report: Report | None = None,
) -> list[Figures]:
    """``epochs`` passes over ``items``, each in an order drawn from ``seed``; all figures."""
    keep_freed_memory()
    adam = optimiser.start(model)
    guard = Guard(optimiser.max_bad_updates, optimiser.skip_above)
    generator = torch.Generator().manual_seed(seed)
    total = count_updates(items, epochs, batch)
    history: list[Figures] = []
    for _ in range(epochs):
        for some in torch.randperm(items, generator=generator).split(batch):
            optimiser.follow(adam, Progress(len(history), total))
            history.append(learn(some, adam, guard))
            if report is not None:
                report(len(history), total, history[-1])
    return history


def descend(
    loss: Loss, model: Trainable, adam: torch.optim.Optimizer, guard: Guard, clip: float
) -> Figures:
    """One step down a whole batch's loss; its figures and those of `apply_gradients`."""
    adam.zero_grad(set_to_none=True)
    loss.value.backward()
    figures = {"loss": float(loss.value.detach()), **loss.metrics}
    return figures | apply_gradients(model, adam, guard, clip)
