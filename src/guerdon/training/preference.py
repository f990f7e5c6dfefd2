"""Training on preference pairs with the loop's own parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from guerdon.rankings import Ranking, refuse_longer
from guerdon.records import Loss, Rollouts
from guerdon.rollout import LanguagePolicy
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.passes import Figures, Report, descend, passes
from guerdon.training.ranking import check_margins
from guerdon.training.reference import FixedReference
from guerdon.training.supervised import Demonstration, demonstrations_to_rollouts
from guerdon.training.update import Guard


class PreferenceObjective(Protocol):
    """Summed completion log-probs [N] of chosen and rejected, now and under the reference."""

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss: ...


def pairs_to_rollouts(policy: LanguagePolicy, pairs: Sequence[Ranking]) -> Rollouts:
    """2n rows in n groups: all chosen completions, then all rejected ones in the same order.

    The two of a pair are one group, so that their prompt is computed once.
    """
    n = len(pairs)
    completions = [Demonstration(p.task, p.responses[side]) for side in (0, 1) for p in pairs]
    rows = demonstrations_to_rollouts(policy, completions)
    once = rows.select(torch.arange(n))  # a row of each group
    group = rows.group % n
    return replace(rows, tasks=once.tasks, prompts=once.prompts, inputs=once.inputs, group=group)


def check_pairs(objective: object, pairs: Sequence[Ranking]) -> None:
    """Raises ValueError without pairs, for a longer ranking, and where margins would go unused."""
    if not pairs:
        raise ValueError("there are no preference pairs to train on")
    refuse_longer(pairs, "a preference objective")
    check_margins(objective, pairs)


def fit_preferences(
    policy: LanguagePolicy,
    pairs: Sequence[Ranking],
    objective: PreferenceObjective,
    *,
    epochs: int = 1,
    batch: int = 16,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    report: Report | None = None,
) -> list[Figures]:
    """Train on pairs; the reference is the policy as it came. Returns each update's metrics.

    ``report`` is called after each. Raises ValueError without pairs, for longer rankings and for
    margins that the objective does not use.
    """
    check_pairs(objective, pairs)
    settings = optimiser or AdamW(lr=1e-6)
    reference = FixedReference().start(policy)
    sides = pairs_to_rollouts(policy, pairs)

    def learn(some: Tensor, adam: torch.optim.Optimizer, guard: Guard) -> Figures:
        both = sides.select(torch.cat([some, some + len(pairs)]))
        now, before = policy.forward(both).logps, reference.logps(both)
        loss = objective(*now.sum(1).chunk(2), *before.sum(1).chunk(2))
        return descend(loss, policy, adam, guard, settings.clip)

    return passes(
        policy,
        len(pairs),
        learn,
        epochs=epochs,
        batch=batch,
        optimiser=settings,
        seed=seed,
        report=report,
    )
