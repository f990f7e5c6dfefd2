"""A recipe that learns from preference pairs: held-out pairs before and after, and a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch

from guerdon.objectives import DPO, PREFERENCES
from guerdon.rankings import Ranking, RankingSource
from guerdon.rollout import LanguagePolicy, Model
from guerdon.training.fitting import Lesson, Passes, fit
from guerdon.training.held_out import HeldOut
from guerdon.training.learner import Learner
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.preference import (
    PairedTexts,
    PreferenceObjective,
    check_pairs,
    pairs_to_rollouts,
)
from guerdon.training.recipe import Result, RunOptions
from guerdon.training.reference import LACKING, FixedReference, Reference
from guerdon.training.supervised import LONGEST


@dataclass(frozen=True)
class PreferenceRecipe(Passes):
    """One run on preference pairs, whole.

    The reference is the model as it came, or what else ``reference`` makes of it. The default
    rate fits the seedling; models of billions of parameters need about 1e-6.
    """

    pairs: RankingSource
    name: str = "dpo"
    model: Model = field(default_factory=Model)
    objective: PreferenceObjective = field(default_factory=DPO)
    reference: Reference = field(default_factory=FixedReference)
    optimiser: Optimiser = field(default_factory=lambda: AdamW(lr=5e-5))

    choices: ClassVar[Mapping[str, Mapping[str, Any]]] = {"objective": PREFERENCES}
    makes: ClassVar[str] = "policy"

    def run(
        self,
        folder: Path | None = None,
        *,
        policy: LanguagePolicy | None = None,
        **options: Unpack[RunOptions],
    ) -> Result:
        """Train, and write the run to ``folder`` (None = keep nothing on disk).

        ``policy`` replaces the recipe's model. Raises DataError for a file that can't be used,
        ValueError where no pair is left to train on; besides what `guerdon.training.train` raises.
        """
        train, held_out = self.pairs.load("train"), self.pairs.load("test")
        check_pairs(self.objective, train)
        if held_out:
            check_pairs(self.objective, held_out)

        def teach(learner: Learner[LanguagePolicy]) -> Lesson:
            reference = self.reference.start(learner.model)
            if reference is None:
                raise ValueError(LACKING)
            texts = PairedTexts(learner.model, train, self.objective, reference, self.max_tokens)
            return Lesson(
                lambda some: texts.learn(learner, some, self.microbatch),
                lambda: chosen_likelier(learner.model, held_out, max_tokens=self.max_tokens),
                reference,
            )

        return fit(
            self,
            folder,
            len(train),
            lambda: language_policy(self.model) if policy is None else policy,
            teach,
            what="pairs",
            names={"loss": "preference_loss", "accuracy": "preference_accuracy"},
            **options,
        )


def chosen_likelier(
    policy: LanguagePolicy,
    pairs: Sequence[Ranking],
    batch: int = 32,
    max_tokens: int = LONGEST,
) -> HeldOut | None:
    """Per pair: 1 where the chosen completion has the higher summed log-prob, else 0.

    None without pairs. This needs no reference, so it compares a model before and after.
    """
    if not pairs:
        return None
    n, sides = len(pairs), pairs_to_rollouts(policy, pairs, max_tokens)
    results: list[float] = []
    with torch.no_grad():
        for some in torch.arange(n).split(batch):
            both = sides.select(torch.cat([some, some + n]))
            chosen, rejected = policy.forward(both).logps.sum(1).chunk(2)
            results += (chosen > rejected).float().tolist()
    return HeldOut(
        results=tuple(results),
        metric="chosen likelier",
        truncated=1.0 - float(sides.finished[:n].float().mean()),
        mean_length=float(sides.lengths[:n].float().mean()),
    )


def language_policy(model: Model) -> LanguagePolicy:
    """The policy of ``model``. Raises ValueError for one that isn't a language model."""
    policy = model.load()
    if not isinstance(policy, LanguagePolicy):
        raise ValueError("texts are learned by a language model, which model is not")
    return policy
