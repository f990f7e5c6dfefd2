"""Effects that fall into two clumps: seeds differ in kind, and their mean is nobody's effect."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

_APART = 3.0
"""How many times as wide as the wider clump the gap between them is. Six normal effects lie so in
one case of eighty, eight in one of seven hundred."""


def two_clumps(effects: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """The lower and the upper clump, where effects fall into two of at least two effects each.

    That is: the gap between them is more than three times as wide as either. Finite effects; None
    with fewer than four.
    """
    ordered = tuple(sorted(effects))
    for cut in range(2, len(ordered) - 1):
        low, high = ordered[:cut], ordered[cut:]
        widest = max(low[-1] - low[0], high[-1] - high[0])
        if high[0] - low[-1] > _APART * widest:
            return low, high
    return None


def told(effects: Sequence[float]) -> str:
    """A remark on two clumps, for people; "" without them."""
    found = two_clumps(effects)
    if found is None:
        return ""
    low, high = (f"{len(clump)} about {statistics.fmean(clump):.3g}" for clump in found)
    return f"two clumps, {low} and {high}: many worlds belong inside one seed"
