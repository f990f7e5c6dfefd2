"""A result beside one that was recorded: which figures are the same."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

ROUNDING = 1e-9
"""How far two figures may be apart that count as the same, as a share of one that is above 1."""


class Difference(NamedTuple):
    """One figure that is not what was recorded. None: not finite, or not reported."""

    arm: str
    seed: str
    metric: str
    recorded: float | None
    found: float | None

    def __str__(self) -> str:
        before, now = (
            "no figure" if one is None else f"{one:.10g}" for one in (self.recorded, self.found)
        )
        return f"{self.arm}, seed {self.seed}, {self.metric}: {before} recorded, {now} now"

    @property
    def size(self) -> float:
        """How far apart they are; infinite where one of them is missing."""
        if self.recorded is None or self.found is None:
            return float("inf")
        return abs(self.found - self.recorded)


def compare(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[int, list[Difference]]:
    """How many figures two results have on the seeds of ``found``, and those that differ.

    Both as `guerdon.reproduction.read` reads them; the largest difference stands first.
    """
    seeds = [str(seed) for seed in found["seeds"]]
    arms = list(dict.fromkeys((*recorded["runs"], *found["runs"])))
    figures, differ = 0, []
    for arm, seed in product(arms, seeds):
        before, now = (one["runs"].get(arm, {}).get(seed, {}) for one in (recorded, found))
        for metric in dict.fromkeys((*before, *now)):
            one = Difference(arm, seed, metric, before.get(metric), now.get(metric))
            figures += 1
            if not _same(one):
                differ.append(one)
    return figures, sorted(differ, key=lambda one: -one.size)


def _same(one: Difference) -> bool:
    if one.recorded is None or one.found is None:
        return one.recorded is one.found
    return one.size <= ROUNDING * max(1.0, abs(one.recorded))
