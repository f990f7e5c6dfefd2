"""Results by category, as benchmarks of reward models report them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def category_means(results: Sequence[float], categories: Sequence[str]) -> dict[str, float]:
    """The mean result of each category, in the order in which they first come.

    NaN results are left out; a category with no other is NaN. Raises ValueError for unequal
    numbers.
    """
    found: dict[str, list[float]] = {}
    for result, category in zip(results, categories, strict=True):
        found.setdefault(category, []).extend([result] if result == result else [])
    return {name: sum(some) / len(some) if some else math.nan for name, some in found.items()}


def macro_mean(means: Mapping[str, float]) -> float:
    """The mean over categories, each counted once, however many results it has.

    NaN where a category is, and where there is none.
    """
    return sum(means.values()) / len(means) if means else math.nan
