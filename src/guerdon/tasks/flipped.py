"""Wrong labels on purpose: what training on preferences bears."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from guerdon.ranges import Seed, Share, check_ranges
from guerdon.rankings import Ranking, RankingSource, refuse_longer


@dataclass(frozen=True)
class FlippedLabels:
    """Pairs of ``source`` with a ``share`` of the training labels the wrong way round.

    Which ones depends on a pair's id and ``seed`` alone; their tasks' column ``flipped`` is True.
    A margin changes its sign. The test split is as it was.
    """

    source: RankingSource
    share: Share = 0.25
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Ranking]:
        """The pairs of "train" or "test". Raises ValueError for longer rankings in the former."""
        pairs = self.source.load(split)
        if split != "train":
            return pairs
        refuse_longer(pairs, "a share of wrong labels")
        return [self._labelled(one) for one in pairs]

    def _labelled(self, pair: Ranking) -> Ranking:
        digest = hashlib.sha256(f"{self.seed} {pair.task.id}".encode()).hexdigest()[:8]
        flipped = int(digest, 16) < self.share * 2**32
        task = replace(pair.task, columns={**pair.task.columns, "flipped": flipped})
        if not flipped:
            return replace(pair, task=task)
        margin = None if pair.margin is None else -pair.margin
        return Ranking(task, pair.responses[::-1], margin)
