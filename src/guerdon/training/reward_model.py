"""A recipe that trains a reward model: held-out rankings before and after, and a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Unpack

from guerdon.objectives import RANKINGS, BradleyTerry
from guerdon.rankings import RankingSource
from guerdon.reward_models import RewardModel
from guerdon.rollout import Model
from guerdon.training.fitting import Lesson, Passes, fit
from guerdon.training.learner import Learner
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.ranking import (
    RankingObjective,
    ScoredLists,
    TrainableScorer,
    check_margins,
    ranked_right,
)
from guerdon.training.recipe import Result, RunOptions
from guerdon.training.supervised import LONGEST


@dataclass(frozen=True)
class RewardModelRecipe(Passes):
    """One run on pairs or longer rankings, whole.

    ``model`` is a language model, which gets a new head, or a reward model. The default rate
    fits the seedling; larger models need less (6 billion parameters: 9e-6 in 2203.02155). The
    run's ``model`` folder is then a reward: ``--reward reward-model:FOLDER/model``.
    """

    pairs: RankingSource
    name: str = "reward-model"
    model: Model = field(default_factory=Model)
    objective: RankingObjective = field(default_factory=BradleyTerry)
    optimiser: Optimiser = field(default_factory=lambda: AdamW(lr=3e-4))

    choices: ClassVar[Mapping[str, Mapping[str, Any]]] = {"objective": RANKINGS}
    makes: ClassVar[str] = "scorer"

    def run(
        self,
        folder: Path | None = None,
        *,
        model: TrainableScorer | None = None,
        **options: Unpack[RunOptions],
    ) -> Result:
        """Train, and write the run to ``folder`` (None = keep nothing on disk).

        ``model`` replaces the recipe's. Raises DataError for a file that can't be used,
        ValueError where no ranking is left to train on; besides what `guerdon.training.train`
        raises.
        """
        train, held_out = self.pairs.load("train"), self.pairs.load("test")
        check_margins(self.objective, train)

        def teach(learner: Learner[TrainableScorer]) -> Lesson:
            lists = ScoredLists(learner.model, train)
            return Lesson(
                lambda some: lists.learn(learner, self.objective, some, self.microbatch),
                lambda: ranked_right(learner.model, held_out),
            )

        return fit(
            self,
            folder,
            len(train),
            lambda: load_reward_model(self.model, self.max_tokens) if model is None else model,
            teach,
            what="rankings",
            names={
                "loss": "ranking_loss",
                "accuracy": "ranking_accuracy",
                "margin": "score_margin",
            },
            **options,
        )


def load_reward_model(model: Model, max_tokens: int = LONGEST) -> RewardModel:
    """The reward model that a recipe's settings describe, or a language model with a new head.

    It reads ``max_tokens`` of a response.
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
        chat_template=model.chat_template,
        shared_prefix=model.shared_prefix,
        max_tokens=max_tokens,
    )
