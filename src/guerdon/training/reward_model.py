"""A whole run that trains a reward model: held-out rankings before and after, and a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from guerdon.names import check_name
from guerdon.objectives import BradleyTerry
from guerdon.ranges import PositiveInt, Seed, check_composition
from guerdon.reward_models import RewardModel
from guerdon.tasks import RankingFile
from guerdon.training.checkpoint import seed_generators
from guerdon.training.fitting import run_fitting
from guerdon.training.held_out import HeldOut
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.ranking import RankingObjective, check_margins, fit_rankings, ranked_right
from guerdon.training.recipe import Model


@dataclass(frozen=True)
class RewardModelRecipe:
    """One run on pairs or longer rankings, whole.

    ``epochs`` passes over the training rankings in updates of ``batch`` of them. ``model`` is a
    language model, which gets a new head, or a reward model. The default rate fits the
    seedling; larger models need less (6 billion parameters: 9e-6 in 2203.02155).
    """

    pairs: RankingFile
    name: str = "reward-model"
    model: Model = field(default_factory=Model)
    objective: RankingObjective = field(default_factory=BradleyTerry)
    optimiser: Optimiser = field(default_factory=lambda: AdamW(lr=3e-4))
    epochs: PositiveInt = 1
    batch: PositiveInt = 16
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_name(self.name, "recipe.name")
        check_composition(self)


@dataclass(frozen=True)
class RewardModelResult:
    """What a run ends with. ``before`` and ``after`` are None where nothing was held out.

    ``signal`` is the number of the one that ended it before it was done, else 0.
    """

    model: RewardModel
    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]
    signal: int = 0


def train_reward_model(
    recipe: RewardModelRecipe,
    folder: Path | None = None,
    *,
    model: RewardModel | None = None,
    quiet: bool = False,
) -> RewardModelResult:
    """Train by ``recipe``; write the run to ``folder`` (None = keep nothing on disk).

    ``folder/model`` is then a reward: ``--reward reward-model:FOLDER/model``. ``model`` replaces
    the recipe's. There are no checkpoints: a run that is stopped keeps the model so
    far, and is run again. Raises DataError
    for a file that can't be used, ValueError where no ranking is left to train on.
    """
    seed_generators(recipe.seed)
    train, held_out = recipe.pairs.load("train"), recipe.pairs.load("test")
    check_margins(recipe.objective, train)
    model = load_reward_model(recipe.model) if model is None else model
    fitted = run_fitting(
        recipe,
        model,
        folder,
        given=len(train),
        what="rankings",
        names={"loss": "ranking_loss", "accuracy": "ranking_accuracy", "margin": "score_margin"},
        measure=lambda: ranked_right(model, held_out),
        fit=partial(fit_rankings, model, train, recipe.objective),
        quiet=quiet,
    )
    return RewardModelResult(model, fitted.before, fitted.after, fitted.history, fitted.signal)


def load_reward_model(model: Model) -> RewardModel:
    """The reward model that a recipe's settings describe, or a language model with a new head.

    Raises ValueError for settings that reward models do not have.
    """
    plain = Model()
    for name in ("gguf_file", "value_head", "engine"):
        if getattr(model, name) != getattr(plain, name):
            raise ValueError(f"a reward model has no model.{name}; leave it out")
    return RewardModel.load(
        model.name,
        adapter=model.adapter,
        rank=model.rank,
        dtype=model.dtype,
        mixed_precision=model.mixed_precision,
        device=model.device,
        shared_prefix=model.shared_prefix,
    )
