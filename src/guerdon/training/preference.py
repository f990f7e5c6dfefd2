"""Training on preference pairs with the loop's own parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from guerdon.rankings import PreferencePair
from guerdon.records import Loss, Progress, Rollouts
from guerdon.rollout import LanguagePolicy
from guerdon.training.allocator import keep_freed_memory
from guerdon.training.recipe import Optimiser
from guerdon.training.reference import FixedReference
from guerdon.training.supervised import Demonstration, demonstrations_to_rollouts
from guerdon.training.update import Guard, adamw, apply_gradients, set_rate


class PreferenceObjective(Protocol):
    """Summed completion log-probs [N] of chosen and rejected, now and under the reference."""

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss: ...


def pairs_to_rollouts(policy: LanguagePolicy, pairs: Sequence[PreferencePair]) -> Rollouts:
    """2n rows in n groups: all chosen completions, then all rejected ones in the same order.

    The two of a pair are one group, so that their prompt is computed once.
    """
    n = len(pairs)
    completions = [
        *(Demonstration(p.task, p.chosen) for p in pairs),
        *(Demonstration(p.task, p.rejected) for p in pairs),
    ]
    rows = demonstrations_to_rollouts(policy, completions)
    once = rows.select(torch.arange(n))  # a row of each group
    group = rows.group % n
    return replace(rows, tasks=once.tasks, prompts=once.prompts, inputs=once.inputs, group=group)


def fit_preferences(
    policy: LanguagePolicy,
    pairs: Sequence[PreferencePair],
    objective: PreferenceObjective,
    *,
    epochs: int = 1,
    batch: int = 16,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    report: Callable[[int, int, dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train on pairs; the reference is the policy as it came. Returns each update's metrics.

    ``report(update, updates, metrics)`` is called after each. Raises ValueError without pairs.
    """
    if not pairs:
        raise ValueError("there are no preference pairs to train on")
    keep_freed_memory()
    settings = optimiser or Optimiser(lr=1e-6)
    reference = FixedReference().start(policy)
    sides = pairs_to_rollouts(policy, pairs)
    adam = adamw(policy, settings)
    guard = Guard(settings.max_bad_updates, settings.skip_above)
    generator = torch.Generator().manual_seed(seed)
    total = epochs * -(-len(pairs) // batch)
    history: list[dict[str, float]] = []
    for _ in range(epochs):
        for rows in torch.randperm(len(pairs), generator=generator).split(batch):
            set_rate(adam, settings, Progress(len(history), total))
            both = sides.select(torch.cat([rows, rows + len(pairs)]))
            loss = objective(
                *policy.forward(both).logps.sum(1).chunk(2),
                *reference.logps(both).sum(1).chunk(2),
            )
            adam.zero_grad(set_to_none=True)
            loss.value.backward()
            figures = {"loss": float(loss.value.detach()), **loss.metrics}
            figures |= apply_gradients(policy, adam, guard, settings.clip)
            history.append(figures)
            if report is not None:
                report(len(history), total, figures)
    return history
