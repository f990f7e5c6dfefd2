"""A penalty for saying the same thing again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from guerdon.examples import Example, Judges, style
from guerdon.ranges import PositiveInt, Range, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.running.rows import single


def words(text: str) -> Sequence[str]:
    """Lower-cased words, split at white space."""
    return text.lower().split()


def characters(text: str) -> Sequence[str]:
    """The text itself: every character counts."""
    return text


def repetition(units: Sequence[str], n: int) -> float:
    """``1 - distinct n-grams / n-grams``, in [0, 1); 0 where there are fewer than ``n`` units.

    >>> repetition(["a", "b", "a", "b"], 2)
    0.33333333333333337
    """
    count = len(units) - n + 1
    if count < 1:
        return 0.0
    if isinstance(units, str):
        return 1 - len({units[i : i + n] for i in range(count)}) / count
    return 1 - len(set(zip(*(units[i:] for i in range(n)), strict=False))) / count


@dataclass(frozen=True)
class RepetitionPenalty:
    """``penalty x (1 - distinct n-grams / n-grams)`` (arXiv 2502.03373, 2506.21594).

    ``split`` is `words` (with ``n`` 3) or `characters` (with ``n`` about 20, for languages
    without spaces). Text beyond ``longest`` characters is not read. Value and part
    "repetition": float[N] from ``penalty`` (below 0) to 0.
    """

    name: ClassVar[str] = "repetition"

    n: PositiveInt = 3
    """Units in a row that count as one n-gram."""
    penalty: Annotated[float, Range(high=0, open_high=True)] = -1.0
    """What a text of one n-gram over and over costs."""
    split: Callable[[str], Sequence[str]] = words
    """What the units are: words or characters."""
    longest: PositiveInt = 200_000
    """Characters that are read."""

    scope: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def range(self) -> tuple[float, float]:
        return self.penalty, 0.0

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        shares = [repetition(self.split(t[: self.longest]), self.n) for t in rollouts.texts]
        return single("repetition", self.penalty * torch.tensor(shares))

    @classmethod
    def example(cls) -> Example:
        return Example(
            cls(), style("no word comes twice here", "the same words " * 40), Judges.STYLE
        )
