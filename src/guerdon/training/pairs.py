"""A whole run on preference pairs: held-out pairs before and after, and a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from guerdon.names import check_name
from guerdon.objectives import DPO
from guerdon.ranges import PositiveInt, Seed, check_composition
from guerdon.rankings import Ranking
from guerdon.rollout import LanguagePolicy
from guerdon.tasks import RankingFile
from guerdon.training.checkpoint import seed_generators
from guerdon.training.fitting import run_fitting
from guerdon.training.held_out import HeldOut
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.policies import load_policy
from guerdon.training.preference import (
    PreferenceObjective,
    check_pairs,
    fit_preferences,
    pairs_to_rollouts,
)
from guerdon.training.recipe import Model


@dataclass(frozen=True)
class PreferenceRecipe:
    """One run on preference pairs, whole.

    ``epochs`` passes over the training pairs in updates of ``batch`` pairs; the reference is
    the model as it came. The default rate fits the seedling; models of billions of parameters
    need about 1e-6.
    """

    pairs: RankingFile
    name: str = "dpo"
    model: Model = field(default_factory=Model)
    objective: PreferenceObjective = field(default_factory=DPO)
    optimiser: Optimiser = field(default_factory=lambda: AdamW(lr=5e-5))
    epochs: PositiveInt = 1
    batch: PositiveInt = 16
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_name(self.name, "recipe.name")
        check_composition(self)


@dataclass(frozen=True)
class PreferenceResult:
    """What a run ends with. ``before`` and ``after`` are None where nothing was held out.

    ``signal`` is the number of the one that ended it before it was done, else 0.
    """

    policy: LanguagePolicy
    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]
    signal: int = 0


def train_on_pairs(
    recipe: PreferenceRecipe,
    folder: Path | None = None,
    *,
    policy: LanguagePolicy | None = None,
    quiet: bool = False,
) -> PreferenceResult:
    """Train by ``recipe``; write the run to ``folder`` (None = keep nothing on disk).

    ``policy`` replaces the recipe's model. There are no checkpoints: a run that is stopped keeps
    the model so far, and is run again. Raises DataError for a file that can't be used, ValueError
    where no pair is left to train on.
    """
    seed_generators(recipe.seed)
    train, held_out = recipe.pairs.load("train"), recipe.pairs.load("test")
    check_pairs(recipe.objective, train)
    if held_out:
        check_pairs(recipe.objective, held_out)
    policy = _language_policy(recipe.model) if policy is None else policy
    fitted = run_fitting(
        recipe,
        policy,
        folder,
        given=len(train),
        what="pairs",
        names={"loss": "preference_loss", "accuracy": "preference_accuracy"},
        measure=lambda: chosen_likelier(policy, held_out),
        fit=partial(fit_preferences, policy, train, recipe.objective),
        quiet=quiet,
    )
    return PreferenceResult(policy, fitted.before, fitted.after, fitted.history, fitted.signal)


def chosen_likelier(
    policy: LanguagePolicy, pairs: Sequence[Ranking], batch: int = 32
) -> HeldOut | None:
    """Per pair: 1 where the chosen completion has the higher summed log-prob, else 0.

    None without pairs. This needs no reference, so it compares a model before and after.
    """
    if not pairs:
        return None
    n, sides = len(pairs), pairs_to_rollouts(policy, pairs)
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


def _language_policy(model: Model) -> LanguagePolicy:
    policy = load_policy(model)
    if not isinstance(policy, LanguagePolicy):
        raise ValueError("preference pairs are texts: they need a language model")
    return policy
