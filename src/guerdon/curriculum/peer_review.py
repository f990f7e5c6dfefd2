"""Two scorers choose preference pairs for each other: which pairs each learns from, and when.

Paper: Two Minds Better Than One: Collaborative Reward Modeling (2505.10597). The **margin** of a
pair is the score of its chosen response less that of its rejected one; where labels are noisy, a
low one is suspect. Of a batch or a pass, the share with the largest margins is kept. The rate's
schedule and the curriculum are not in the paper's abstract and are reconstructed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Protocol

import torch
from torch import Tensor

from guerdon.ranges import Count, PositiveInt, Range, check_ranges

Margins = tuple[Tensor, Tensor]
"""Of the same pairs, float[n] by the first scorer and by the second."""

Reviewer = Callable[[Tensor, Tensor], Margins]
"""Both scorers' margins of pairs to those by which the first's, and the second's, are chosen."""


def by_peer(first: Tensor, second: Tensor) -> Margins:
    """Each learns from what convinces the other."""
    return second, first


def by_itself(first: Tensor, second: Tensor) -> Margins:
    """Each learns from what convinces itself already: selection without exchange."""
    return first, second


def by_both(first: Tensor, second: Tensor) -> Margins:
    """Both learn from what convinces them on average."""
    mean = (first + second) / 2
    return mean, mean


@dataclass(frozen=True)
class KeepRate:
    """The share of pairs that is kept: 1 during ``warmup`` rounds, then linear to ``final``.

    In round e it is ``max(final, 1 - (1 - final) (e - warmup + 1) / ramp)``. ``final`` is about
    1 less the share of wrong labels; .6 to .8 where that is unknown. Without warm-up, pairs are
    dropped before there is a signal; where it is too long, noise is learned by heart. A pass
    over the pairs has ``rounds`` rounds: 10 or 20 where there is one pass alone.
    """

    final: Annotated[float, Range(0, 1, open_low=True)] = 0.7
    warmup: Count = 1
    ramp: PositiveInt = 4
    rounds: PositiveInt = 1

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, passed: float) -> float:
        """The rate once ``passed`` passes over the pairs are done; 0 is the start."""
        done = math.floor(passed * self.rounds + 1e-9)
        if done < self.warmup:
            return 1.0
        return max(self.final, 1 - (1 - self.final) * (done - self.warmup + 1) / self.ramp)


def kept_count(items: int, rate: float) -> int:
    """``max(1, floor(rate items))``, 0 of none; a rate a rounding error below a fraction is it."""
    return min(items, max(1, math.floor(rate * items + 1e-9)))


def largest(margin_n: Tensor, rate: float) -> Tensor:
    """Places long[k], ascending, of the share ``rate`` with the largest margins.

    Of equal ones those that come first are kept; NaN counts as the smallest.
    """
    known_n = torch.where(margin_n.isnan(), -torch.inf, margin_n)
    order = torch.argsort(known_n, descending=True, stable=True)
    return order[: kept_count(len(margin_n), rate)].sort().values


def easy_to_hard(margin_n: Tensor, buckets: int, generator: torch.Generator) -> Tensor:
    """An order long[n]: ``buckets`` buckets from large margins to small, shuffled inside each.

    Buckets differ by one item at most; with fewer items than buckets each is one of its own.
    """
    order = torch.argsort(margin_n, descending=True, stable=True)
    parts = order.tensor_split(max(1, min(buckets, len(order))))
    return torch.cat([one[torch.randperm(len(one), generator=generator)] for one in parts])


class PassOrder(Protocol):
    """How one pass goes over the pairs, and where in it the kept share is taken."""

    def items(self, pairs: int, rate: float) -> int:
        """How many of ``pairs`` a pass goes over that begins at this rate."""
        ...

    def arrange(
        self,
        pairs: int,
        rate: float,
        judged: Callable[[], Margins],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """The order of each scorer's pass, two long[items].

        ``judged`` gives the margins float[pairs] by which the first's and the second's pairs are
        chosen; it costs a pass, and is called where they are needed.
        """
        ...

    def pick(self, judged_n: Callable[[], Margins], size: int, rate: float) -> Margins:
        """Places long[k] in a batch of ``size``, for the first and the second, to learn from."""
        ...


@dataclass(frozen=True)
class EachBatch:
    """The kept share of every batch; batches are dealt from one shuffled order for both."""

    def items(self, pairs: int, rate: float) -> int:
        return pairs

    def arrange(
        self,
        pairs: int,
        rate: float,
        judged: Callable[[], Margins],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        order = torch.randperm(pairs, generator=generator)
        return order, order

    def pick(self, judged_n: Callable[[], Margins], size: int, rate: float) -> Margins:
        first, second = judged_n()
        return largest(first, rate), largest(second, rate)


@dataclass(frozen=True)
class EasyToHard:
    """The kept share of all pairs, chosen as a pass begins; then from easy to hard.

    What is left is dealt in ``buckets`` buckets from large margins to small. Batches are learned
    whole: in batches that are sorted, a share of each would keep the worst pairs of the last ones
    and lose good ones of the first.
    """

    buckets: PositiveInt = 8

    def __post_init__(self) -> None:
        check_ranges(self)

    def items(self, pairs: int, rate: float) -> int:
        return kept_count(pairs, rate)

    def arrange(
        self,
        pairs: int,
        rate: float,
        judged: Callable[[], Margins],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        first, second = judged()
        drawn = generator.get_state()
        ours = self._sorted(first, rate, generator)
        generator.set_state(drawn)  # alike for both: which of them is the first changes nothing
        return ours, self._sorted(second, rate, generator)

    def pick(self, judged_n: Callable[[], Margins], size: int, rate: float) -> Margins:
        return torch.arange(size), torch.arange(size)

    def _sorted(self, margin: Tensor, rate: float, generator: torch.Generator) -> Tensor:
        kept = largest(margin, rate)
        return kept[easy_to_hard(margin[kept], self.buckets, generator)]


@dataclass(frozen=True)
class PeerReview:
    """Which pairs each of two scorers learns from.

    ``keep`` is the share of pairs that is kept, ``reviewer`` by whose margins (`by_peer`,
    `by_itself`, `by_both`), ``order`` of each batch or of all pairs (`EachBatch`, `EasyToHard`).
    """

    keep: KeepRate = field(default_factory=KeepRate)
    reviewer: Reviewer = by_peer
    order: PassOrder = field(default_factory=EachBatch)
