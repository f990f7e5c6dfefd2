"""What parts need to read, written into the rollouts as the policy says it at that moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from guerdon.records import Rollouts
from guerdon.stages import Policy

TOLD = frozenset({"values", "entropy", "largest"})
"""Of `guerdon.stages.NEEDS`, what the policy says of its own rollouts, by their field."""


def recorded(policy: Policy, rollouts: Rollouts, needs: frozenset[str], size: int = 0) -> Rollouts:
    """``rollouts`` with what of `TOLD` is in ``needs`` and not in them yet, without gradient.

    Computed ``size`` rows at a time (0 = all). Raises ValueError for what the policy can't say.
    """
    missing = sorted(name for name in needs & TOLD if getattr(rollouts, name) is None)
    if not missing or not len(rollouts):
        return rollouts
    found: dict[str, Any] = {}
    for rows in torch.arange(len(rollouts)).split(size or len(rollouts)):
        with torch.no_grad():
            now = policy.forward(rollouts.select(rows), frozenset(missing))
        for name in missing:
            told = getattr(now, name)
            if told is None:
                raise ValueError(f"{type(policy).__name__} gives no {name}, which the recipe needs")
            whole = told.new_zeros((*rollouts.mask.shape, *told.shape[2:]))
            found.setdefault(name, whole)[rows, : told.shape[1]] = told
    return replace(rollouts, **found)
