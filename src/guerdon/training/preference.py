"""Training on preference pairs with the loop's own parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from guerdon.rankings import Ranking, refuse_longer
from guerdon.records import Loss, Rollouts
from guerdon.rollout import LanguagePolicy
from guerdon.training.learner import Learner
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.passes import AfterUpdate, Figures, passes
from guerdon.training.ranking import check_margins, refuse_equal
from guerdon.training.reference import FixedReference, RunningReference
from guerdon.training.supervised import LONGEST, Demonstration, demonstrations_to_rollouts


class PreferenceObjective(Protocol):
    """Summed completion log-probs [N] of chosen and rejected, now and under the reference."""

    def __call__(
        self, chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor
    ) -> Loss: ...


def pairs_to_rollouts(
    policy: LanguagePolicy, pairs: Sequence[Ranking], max_tokens: int = LONGEST
) -> Rollouts:
    """2n rows in n groups: all chosen completions, then all rejected ones in the same order.

    The two of a pair are one group, so that their prompt is computed once. Raises ValueError
    where the two are equal as far as they are read.
    """
    n = len(pairs)
    completions = [Demonstration(p.task, p.responses[side]) for side in (0, 1) for p in pairs]
    rows = demonstrations_to_rollouts(policy, completions, max_tokens)
    once = rows.select(torch.arange(n))  # a row of each group
    group = rows.group % n
    both = replace(rows, tasks=once.tasks, prompts=once.prompts, inputs=once.inputs, group=group)
    refuse_equal(both, max_tokens)
    return both


def check_pairs(objective: object, pairs: Sequence[Ranking]) -> None:
    """Raises ValueError without pairs, for a longer ranking, and where margins would go unused."""
    if not pairs:
        raise ValueError("there are no preference pairs to train on")
    refuse_longer(pairs, "a preference objective")
    check_margins(objective, pairs)


class PairedTexts:
    """Pairs as a policy reads them, encoded once, and the reference's word on them."""

    def __init__(
        self,
        policy: LanguagePolicy,
        pairs: Sequence[Ranking],
        objective: PreferenceObjective,
        reference: RunningReference,
        max_tokens: int = LONGEST,
    ) -> None:
        self.policy, self.objective, self.reference = policy, objective, reference
        self.pairs, self.sides = len(pairs), pairs_to_rollouts(policy, pairs, max_tokens)

    def learn(self, learner: Learner[LanguagePolicy], some: Tensor, microbatch: int = 0) -> Figures:
        """One update on the pairs long[n]."""

        def loss_of(now_N2: Tensor) -> Loss:
            before_N2 = torch.cat([self._said(self.reference.logps, p) for p in pieces])
            return self.objective(*now_N2.unbind(1), *before_N2.unbind(1))

        def said(piece: Tensor) -> Tensor:
            return self._said(lambda rows: self.policy.forward(rows).logps, piece)

        pieces = some.split(microbatch or len(some))
        return learner.descend_in_pieces(said, some, loss_of, microbatch)

    def _said(self, logps: Callable[[Rollouts], Tensor], some: Tensor) -> Tensor:
        """float[n, 2]: summed log-probs of the chosen and the rejected completion."""
        both = self.sides.select(torch.cat([some, some + self.pairs]))
        return torch.stack(logps(both).sum(1).chunk(2), 1)


def fit_preferences(
    policy: LanguagePolicy,
    pairs: Sequence[Ranking],
    objective: PreferenceObjective,
    *,
    epochs: int = 1,
    batch: int = 16,
    optimiser: Optimiser | None = None,
    seed: int = 0,
    report: AfterUpdate | None = None,
) -> list[Figures]:
    """Train on pairs, without a run around it; the reference is the policy as it came.

    Returns each update's metrics; ``report`` is called after each. Raises ValueError without
    pairs, for longer rankings and for margins that the objective does not use.
    """
    check_pairs(objective, pairs)
    learner = Learner(policy, optimiser or AdamW(lr=1e-6))
    texts = PairedTexts(policy, pairs, objective, FixedReference().start(policy))
    return passes(
        learner,
        len(pairs),
        partial(texts.learn, learner),
        epochs=epochs,
        batch=batch,
        seed=seed,
        report=report,
    )
