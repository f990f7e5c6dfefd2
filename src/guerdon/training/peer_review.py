"""Two scorers that learn from preference pairs and choose them for each other.

Paper: Two Minds Better Than One: Collaborative Reward Modeling (2505.10597). What is chosen, and
by whose margins, is in `guerdon.curriculum.peer_review`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from guerdon.curriculum import PairStatistics, PeerReview
from guerdon.curriculum.peer_review import Margins
from guerdon.rankings import Ranking, refuse_longer
from guerdon.records import Progress
from guerdon.training.learner import Learner
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.ranking import (
    RankingObjective,
    ScoredLists,
    TrainableScorer,
    check_margins,
    eval_mode,
)
from guerdon.training.update import ALONE, Shard

Figures = dict[str, float]


class Peers:
    """Two learners, the pairs they learn from, and what they remember of them: one memory.

    ``steps`` is how many updates of each there are; `learn` makes the next. In each, both see a
    batch of ``batch`` pairs, judge it without dropout and gradient, and learn from what the review
    leaves of it. The choice is made over the whole batch, whatever the number of processes
    (``shard``), and an update's loss is the mean over the pairs that are kept, also where it is
    accumulated over ``microbatch`` pairs at a time (0 = all). ``seed`` decides the order.
    Raises ValueError without pairs, for longer rankings and for margins that go unused.
    """

    def __init__(
        self,
        models: tuple[TrainableScorer, TrainableScorer],
        pairs: Sequence[Ranking],
        objective: RankingObjective,
        review: PeerReview,
        *,
        epochs: int = 1,
        batch: int = 16,
        microbatch: int = 0,
        optimiser: Optimiser | None = None,
        seed: int = 0,
        shard: Shard = ALONE,
    ) -> None:
        refuse_longer(pairs, "peer review")
        check_margins(objective, pairs)
        settings = optimiser or AdamW(lr=1e-5)
        self.objective, self.review = objective, review
        self.batch, self.microbatch, self.seed = batch, microbatch, seed
        self.learners = tuple(Learner(model, settings, shard) for model in models)
        self.lists = tuple(ScoredLists(model, pairs) for model in models)
        self.statistics = PairStatistics([one.task.id for one in pairs])
        self._starts = pass_starts(review, len(pairs), epochs, batch)
        self._orders: Margins = (torch.zeros(0, dtype=torch.long),) * 2
        self._agreed = float("nan")

    @property
    def steps(self) -> int:
        """How many updates each scorer makes."""
        return self._starts[-1]

    def learn(self, progress: Progress) -> Figures:
        """One update of each: their figures' means, ``kept_share``, and ``peers_agree``.

        The latter is the share of the pairs that were last judged which both put in one order.
        """
        passed = bisect_right(self._starts, progress.step) - 1
        place, batches = progress.step - self._starts[passed], self._batches(passed)
        if place == 0:
            self._orders = self._arrange(passed)
        rate = self.review.keep(passed + place / batches)
        some = [order.split(self.batch)[place] for order in self._orders]
        picked = self.review.order.pick(lambda: self._judged(some[0]), len(some[0]), rate)
        told = []
        for learner, lists, pairs, kept in zip(
            self.learners, self.lists, some, picked, strict=True
        ):
            told.append({"lr": learner.begin(progress)})
            self.statistics.learned(pairs[kept])
            told[-1] |= lists.learn(learner, self.objective, pairs[kept], self.microbatch)
        means = {name: (told[0][name] + told[1][name]) / 2 for name in told[0]}
        return {**means, "kept_share": rate, "peers_agree": self._agreed}

    def margins(self, some: Tensor) -> Margins:
        """float[m] of the pairs long[m] by each scorer, in eval mode and without gradient."""
        first, second = (self._margin(lists, some) for lists in self.lists)
        return first, second

    def _margin(self, lists: ScoredLists, some: Tensor) -> Tensor:
        with eval_mode(lists.model):
            both = [lists.scores(part)[0] for part in some.split(self.microbatch or self.batch)]
        score_m2 = torch.cat(both)
        return score_m2[:, 0] - score_m2[:, 1]

    def _judged(self, some: Tensor) -> Margins:
        first, second = self.margins(some)
        for one in (first, second):
            self.statistics.observe(some, one)
        self._agreed = float(((first > 0) == (second > 0)).float().mean())
        return self.review.reviewer(first, second)

    def _arrange(self, passed: int) -> Margins:
        n = len(self.statistics.ids)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + passed)
        rate = self.review.keep(passed)
        return self.review.order.arrange(n, rate, lambda: self._judged(torch.arange(n)), generator)

    def _batches(self, passed: int) -> int:
        return self._starts[passed + 1] - self._starts[passed]

    def state_dict(self) -> dict[str, Any]:
        return {
            "learners": [one.state_dict() for one in self.learners],
            "statistics": self.statistics.state_dict(),
            "orders": list(self._orders),
            "agreed": self._agreed,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for learner, one in zip(self.learners, state["learners"], strict=True):
            learner.load_state_dict(one)
        self.statistics.load_state_dict(state["statistics"])
        first, second = state["orders"]
        self._orders, self._agreed = (first, second), float(state["agreed"])


def pass_starts(review: PeerReview, pairs: int, epochs: int, batch: int) -> list[int]:
    """At which update each pass begins, and after the last, how many updates there are."""
    rates = [review.keep(passed) for passed in range(epochs)]
    sizes = [review.order.items(pairs, rate) for rate in rates]
    return [0, *accumulate(-(-size // batch) for size in sizes)]


def fit_peers(
    models: tuple[TrainableScorer, TrainableScorer],
    pairs: Sequence[Ranking],
    objective: RankingObjective,
    review: PeerReview,
    *,
    report: Callable[[int, int, Figures], None] | None = None,
    **settings: Any,
) -> tuple[list[Figures], PairStatistics]:
    """Train both, to the end; each update's figures, and what became of the pairs.

    ``settings`` are those of `Peers`. ``report`` is called after each update with how many are
    done, how many there will be, and its figures.
    """
    peers = Peers(models, pairs, objective, review, **settings)
    history: list[Figures] = []
    for step in range(peers.steps):
        history.append(peers.learn(Progress(step, peers.steps)))
        if report is not None:
            report(step + 1, peers.steps, history[-1])
    return history, peers.statistics
