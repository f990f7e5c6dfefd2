"""A whole run on preference pairs: held-out pairs before and after, and a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from guerdon.objectives import DPO
from guerdon.rankings import PreferencePair
from guerdon.rollout import LanguagePolicy
from guerdon.tasks import PreferenceFile
from guerdon.training.checkpoint import seed_generators
from guerdon.training.fitting import run_fitting
from guerdon.training.held_out import HeldOut
from guerdon.training.policies import load_policy
from guerdon.training.preference import PreferenceObjective, fit_preferences
from guerdon.training.recipe import Model, Optimiser
from guerdon.training.supervised import Demonstration, demonstrations_to_rollouts


@dataclass(frozen=True)
class PreferenceRecipe:
    """One run on preference pairs, whole.

    ``epochs`` passes over the training pairs in updates of ``batch`` pairs; the reference is
    the model as it came. The default rate fits the seedling; models of billions of parameters
    need about 1e-6.
    """

    pairs: PreferenceFile
    name: str = "dpo"
    model: Model = field(default_factory=Model)
    objective: PreferenceObjective = field(default_factory=DPO)
    optimiser: Optimiser = field(default_factory=lambda: Optimiser(lr=5e-5))
    epochs: int = 1
    batch: int = 16
    seed: int = 0


@dataclass(frozen=True)
class PreferenceResult:
    """What a run ends with. ``before`` and ``after`` are None where nothing was held out."""

    policy: LanguagePolicy
    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]


def train_on_pairs(
    recipe: PreferenceRecipe,
    folder: Path | None = None,
    *,
    policy: LanguagePolicy | None = None,
    quiet: bool = False,
) -> PreferenceResult:
    """Train by ``recipe``; write the run to ``folder`` (None = keep nothing on disk).

    ``policy`` replaces the recipe's model. There are no checkpoints: a run that is stopped is
    run again. Raises DataError for a file that can't be used, ValueError where no pair is
    left to train on.
    """
    seed_generators(recipe.seed)
    policy = _language_policy(recipe.model) if policy is None else policy
    train, held_out = recipe.pairs.load("train"), recipe.pairs.load("test")
    fitted = run_fitting(
        recipe,
        policy,
        folder,
        updates=recipe.epochs * -(-len(train) // recipe.batch),
        counts={"pairs": len(train)},
        measure=lambda: chosen_likelier(policy, held_out),
        fit=lambda record: fit_preferences(
            policy,
            train,
            recipe.objective,
            epochs=recipe.epochs,
            batch=recipe.batch,
            optimiser=recipe.optimiser,
            seed=recipe.seed,
            report=lambda done, total, figures: record(done - 1, _named(figures)),
        ),
        quiet=quiet,
    )
    return PreferenceResult(policy, fitted.before, fitted.after, fitted.history)


def chosen_likelier(
    policy: LanguagePolicy, pairs: Sequence[PreferencePair], batch: int = 32
) -> HeldOut | None:
    """Per pair: 1 where the chosen completion has the higher summed log-prob, else 0.

    None without pairs. This needs no reference, so it compares a model before and after.
    """
    if not pairs:
        return None
    sides = []
    for texts in ([p.chosen for p in pairs], [p.rejected for p in pairs]):
        shown = [Demonstration(p.task, t) for p, t in zip(pairs, texts, strict=True)]
        rollouts = demonstrations_to_rollouts(policy, shown)
        with torch.no_grad():
            sums = [
                policy.forward(rollouts.select(rows)).logps.sum(1)
                for rows in torch.arange(len(pairs)).split(batch)
            ]
        sides.append((torch.cat(sums), rollouts))
    (chosen_N, rollouts), (rejected_N, _) = sides
    return HeldOut(
        results=tuple((chosen_N > rejected_N).float().tolist()),
        metric="chosen likelier",
        truncated=1.0 - float(rollouts.finished.float().mean()),
        mean_length=float(rollouts.lengths.float().mean()),
    )


def _named(figures: dict[str, float]) -> dict[str, float]:
    """Names of their own: a policy's run has a loss and an accuracy that mean other things."""
    new = {"loss": "preference_loss", "accuracy": "preference_accuracy"}
    return {new.get(name, name): value for name, value in figures.items()}


def _language_policy(model: Model) -> LanguagePolicy:
    policy = load_policy(model)
    if not isinstance(policy, LanguagePolicy):
        raise ValueError("preference pairs are texts: they need a language model")
    return policy
