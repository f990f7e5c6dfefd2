"""A recipe that trains two reward models which choose preference pairs for each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Unpack

from guerdon.curriculum import PairStatistics, PeerReview
from guerdon.evaluation import category_means, macro_mean
from guerdon.objectives import RANKINGS, BradleyTerry
from guerdon.ranges import Seed
from guerdon.rankings import Ranking, RankingSource, refuse_longer
from guerdon.reward_models import MeanScorer, RewardModel
from guerdon.rollout import Model
from guerdon.training.checkpoint import seed_generators
from guerdon.training.disk import write_whole
from guerdon.training.fitting import Passes
from guerdon.training.held_out import HeldOut
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.peer_review import Peers, pass_starts
from guerdon.training.processes import processes
from guerdon.training.ranking import RankingObjective, check_margins, ranked_right
from guerdon.training.recipe import Loop, Result, RunOptions
from guerdon.training.reward_model import load_reward_model
from guerdon.training.run import Run

PAIRS, CATEGORIES = "pairs.jsonl", "categories.json"
_NAMES = {"loss": "ranking_loss", "accuracy": "ranking_accuracy", "margin": "score_margin"}


@dataclass(frozen=True)
class PeerReviewRecipe(Passes):
    """One run of two reward models on pairs, whole (2505.10597).

    Both are made of ``model``, with heads drawn from ``heads``, two seeds; equal ones would choose
    alike, and are refused. ``review`` says which pairs each learns from. Held-out pairs are judged
    by the mean of the two, and the run's ``model`` folder holds both, ``1`` and ``2``: each is a
    reward, ``--reward reward-model:FOLDER/model/1``.

    Besides what every run writes, ``pairs.jsonl`` has for each training pair the mean and variance
    of its margin and how often it was learned from, the most suspect first; and
    ``categories.json`` the held-out accuracy by the tasks' column ``category``, and their mean.
    """

    pairs: RankingSource
    name: str = "peer-review"
    model: Model = field(default_factory=Model)
    heads: tuple[Seed, Seed] = (0, 1)
    review: PeerReview = field(default_factory=PeerReview)
    objective: RankingObjective = field(default_factory=BradleyTerry)
    optimiser: Optimiser = field(default_factory=lambda: AdamW(lr=3e-4))
    category: str = "category"

    choices: ClassVar[Mapping[str, Mapping[str, Any]]] = {"objective": RANKINGS}
    makes: ClassVar[str] = "scorers"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads[0] == self.heads[1]:
            raise ValueError(
                f"heads is {self.heads[0]} twice: two equal models choose the same pairs, and each "
                "selects for itself; give two different seeds"
            )

    def loop_over(self, items: int) -> Loop:
        """How long a run over so many pairs is, and when it saves."""
        starts = pass_starts(self.review, items, self.epochs, self.batch)
        return replace(super().loop_over(items), steps=starts[-1])

    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """Train, and write the run to ``folder`` (None = keep nothing on disk).

        Raises DataError for a file that can't be used, ValueError where no pair is left to train
        on, for longer rankings and for margins that the objective does not use; besides what
        `guerdon.training.train` raises.
        """
        train, held_out = self.pairs.load("train"), self.pairs.load("test")
        refuse_longer(train, "peer review")
        check_margins(self.objective, train)
        shard, told = processes(), {"pairs": len(train)}
        loop = self.loop_over(len(train))
        with Run(self, folder, loop, shard=shard, told=told, **options) as run:
            first, second = (self._model(seed) for seed in self.heads)
            both = MeanScorer((first, second))
            peers = Peers(
                (first, second),
                train,
                self.objective,
                self.review,
                epochs=self.epochs,
                batch=self.batch,
                microbatch=self.microbatch,
                optimiser=self.optimiser,
                seed=self.seed,
                shard=shard,
            )
            seed_generators(self.seed)
            run.start(both, {"peers": peers}, lambda _: ranked_right(both, held_out))
            for progress in run.steps():
                figures = peers.learn(progress)
                run.log({_NAMES.get(name, name): value for name, value in figures.items()})
            if folder is not None and shard.rank == 0:
                _tell_pairs(folder, peers.statistics)
        result = run.result
        if folder is not None and shard.rank == 0 and result.after is not None:
            _tell_categories(folder, result.after, held_out, self.category)
        return result

    def _model(self, seed: int) -> RewardModel:
        seed_generators(seed)
        return load_reward_model(self.model, self.max_tokens)


def _tell_pairs(folder: Path, statistics: PairStatistics) -> None:
    lines = [json.dumps(row) for row in statistics.rows()]
    write_whole(folder / PAIRS, "".join(f"{line}\n" for line in lines))


def _tell_categories(
    folder: Path, after: HeldOut, held_out: Sequence[Ranking], column: str
) -> None:
    """Nothing where the tasks have no such column."""
    if not all(column in one.task.columns for one in held_out):
        return
    means = category_means(after.results, [str(one.task.columns[column]) for one in held_out])
    told = {"by_category": means, "macro_mean": macro_mean(means)}
    write_whole(folder / CATEGORIES, json.dumps(told, indent=1) + "\n")
