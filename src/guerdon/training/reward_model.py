"""A whole run that trains a reward model: held-out rankings before and after, and a folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from guerdon.objectives import BradleyTerry
from guerdon.parts import describe
from guerdon.report import build_report
from guerdon.reward_models import RewardModel
from guerdon.rollout import Transformers
from guerdon.tasks import RankingFile
from guerdon.training.checkpoint import seed_generators
from guerdon.training.display import Display
from guerdon.training.held_out import HeldOut
from guerdon.training.ranking import RankingObjective, fit_rankings, ranked_right
from guerdon.training.recipe import Model, Optimiser
from guerdon.training.run_folder import RunFolder
from guerdon.training.telemetry import describe_held_out, held_out_summary


@dataclass(frozen=True)
class RewardModelRecipe:
    """One run on pairs or longer rankings, whole.

    ``epochs`` passes over the training rankings in updates of ``batch`` of them. ``model`` is a
    language model, which gets a new head, or a reward model. The default rate fits the
    seedling; models of billions of parameters need about 1e-5 with an adapter, 1e-6 without.
    """

    pairs: RankingFile
    name: str = "reward-model"
    model: Model = field(default_factory=Model)
    objective: RankingObjective = field(default_factory=BradleyTerry)
    optimiser: Optimiser = field(default_factory=lambda: Optimiser(lr=3e-4))
    epochs: int = 1
    batch: int = 16
    seed: int = 0


@dataclass(frozen=True)
class RewardModelResult:
    """What a run ends with. ``before`` and ``after`` are None where nothing was held out."""

    model: RewardModel
    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]


def train_reward_model(
    recipe: RewardModelRecipe,
    folder: Path | None = None,
    *,
    model: RewardModel | None = None,
    quiet: bool = False,
) -> RewardModelResult:
    """Train by ``recipe``; write the run to ``folder`` (None = keep nothing on disk).

    ``folder/model`` is then a reward: ``--reward reward-model:FOLDER/model``. ``model`` replaces
    the recipe's. There are no checkpoints: a run that is stopped is run again. Raises DataError
    for a file that can't be used, ValueError where no ranking is left to train on.
    """
    seed_generators(recipe.seed)
    train, held_out = recipe.pairs.load("train"), recipe.pairs.load("test")
    model = model or load_reward_model(recipe.model)
    run = None if folder is None else RunFolder(folder)
    if run is not None:
        text = yaml.safe_dump(describe(recipe), sort_keys=False, allow_unicode=True)
        (run.path / "recipe.yaml").write_text(text)
    started = time.perf_counter()
    with Display(recipe.epochs * -(-len(train) // recipe.batch), quiet=quiet) as display:
        before = ranked_right(model, held_out)
        if before is not None:
            display.note(f"held-out {describe_held_out(before)} before training")
        made = fit_rankings(
            model,
            train,
            recipe.objective,
            epochs=recipe.epochs,
            batch=recipe.batch,
            optimiser=recipe.optimiser,
            seed=recipe.seed,
            report=lambda done, total, figures: display.update(done - 1, _named(figures)),
        )
        history = [{"step": step, **_named(figures)} for step, figures in enumerate(made)]
        after = ranked_right(model, held_out)
        summary: dict[str, Any] = {
            "recipe": recipe.name,
            "steps": len(history),
            "seconds": time.perf_counter() - started,
            "rankings": len(train),
            **held_out_summary(before, after),
        }
        if run is not None:
            for figures in history:
                run.log_metrics(figures)
            summary["folder"] = str(run.path)
            run.write_summary(summary)
            model.save(run.path / "model")
            summary["report"] = str(build_report(run.path))
        display.summary(summary)
    return RewardModelResult(model, before, after, tuple(history))


def load_reward_model(model: Model) -> RewardModel:
    """The reward model that a recipe's settings describe, or a language model with a new head.

    Raises ValueError for settings that reward models do not have.
    """
    foreign = {
        "gguf_file": model.gguf_file is not None,
        "value_head": model.value_head,
        "engine": model.engine != Transformers(),
    }
    for name in (name for name, given in foreign.items() if given):
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


def _named(figures: dict[str, float]) -> dict[str, float]:
    """Names of their own: a policy's run has a loss and an accuracy that mean other things."""
    new = {"loss": "ranking_loss", "accuracy": "ranking_accuracy", "margin": "score_margin"}
    return {new.get(name, name): value for name, value in figures.items()}
