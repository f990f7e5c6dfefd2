"""Training on preference pairs with the loop's own parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from guerdon.records import Loss, PreferencePair, Progress
from guerdon.rollout import LanguagePolicy
from guerdon.training.recipe import Optimiser
from guerdon.training.reference import FixedReference
from guerdon.training.supervised import Demonstration, demonstrations_to_rollouts
from guerdon.training.update import Guard, adamw, apply_gradients, set_rate


class PreferenceObjective(Protocol):
    """Summed completion log-probs [N] of chosen and rejected, now and under the reference."""

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss: ...


def fit_preferences(
    policy: LanguagePolicy,
    pairs: Sequence[PreferencePair],
    objective: PreferenceObjective,
    *,
    epochs: int = 1,
    batch: int = 16,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    report: Callable[[int, int, float], None] | None = None,
) -> list[dict[str, float]]:
    """Train on pairs; the reference is the policy as it came. Returns each update's metrics.

    ``report(update, updates, loss)`` is called after each. Raises ValueError without pairs.
    """
    if not pairs:
        raise ValueError("there are no preference pairs to train on")
    settings = optimiser or Optimiser(lr=1e-6)
    reference = FixedReference().start(policy)
    chosen = demonstrations_to_rollouts(policy, [Demonstration(p.task, p.chosen) for p in pairs])
    rejected = demonstrations_to_rollouts(
        policy, [Demonstration(p.task, p.rejected) for p in pairs]
    )
    adam = adamw(policy, settings)
    guard = Guard(settings.max_bad_updates, settings.skip_above)
    generator = torch.Generator().manual_seed(seed)
    total = epochs * -(-len(pairs) // batch)
    history: list[dict[str, float]] = []
    for _ in range(epochs):
        for rows in torch.randperm(len(pairs), generator=generator).split(batch):
            set_rate(adam, settings, Progress(len(history), total))
            sides = [chosen.select(rows), rejected.select(rows)]
            loss = objective(
                *(policy.forward(side).logps.sum(1) for side in sides),
                *(reference.logps(side).sum(1) for side in sides),
            )
            adam.zero_grad(set_to_none=True)
            loss.value.backward()
            figures = {"loss": float(loss.value.detach()), **loss.metrics}
            figures |= apply_gradients(policy, adam, guard, settings.clip)
            history.append(figures)
            if report is not None:
                report(len(history), total, figures["loss"])
    return history
