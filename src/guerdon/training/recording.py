"""What parts need to read: written into the rollouts, or refused where nobody can know it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from guerdon.records import Ending, Rollouts
from guerdon.stages import Foresees, Policy
from guerdon.traits import readers_of_sampler

TOLD = frozenset({"values", "entropy", "largest"})
"""Of `guerdon.stages.NEEDS`, what the policy says of its own rollouts, by their field."""


def recorded(policy: Policy, rollouts: Rollouts, needs: frozenset[str], size: int = 0) -> Rollouts:
    """``rollouts`` with what of `TOLD` is in ``needs`` and not in them yet, without gradient.

    With "values" come the ``final_values`` of rows that a world's own limit ended, where the policy
    foresees them. What a limit of tokens or turns ended is judged as it stands: nothing comes after
    it. Computed ``size`` rows at a time (0 = all). Raises ValueError for what the policy can't
    say.
    """
    if "values" in needs and rollouts.final_values is None and isinstance(policy, Foresees):
        rollouts = _with_final_values(policy, rollouts, size)
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


def check_sampler_known(parts: Any, rollouts: Rollouts, used_N: Tensor | None = None) -> None:
    """Raises ValueError where one of ``parts`` reads the log-probs rows were sampled with, and a
    row has none (NaN where the policy acted), which then somebody else made.

    Only rows in ``used_N`` bool[N] are looked at (None = all).
    """
    reader = next(readers_of_sampler(parts), None)
    if reader is None:
        return
    unknown_N = (rollouts.behaviour_logps.isnan() & rollouts.mask).any(1)
    unknown_N = unknown_N if used_N is None else unknown_N & used_N
    if not bool(unknown_N.any()):
        return
    row = int(unknown_N.nonzero()[0])
    raise ValueError(
        f"row {row} was made by {rollouts.makers[row]!r} and has no log-probabilities, but "
        f"{type(reader).__name__} weighs rows by what sampled them ({int(unknown_N.sum())} of "
        f"{len(rollouts)} rows have none); give them log-probabilities, leave the rows out by a "
        "selection, or take an objective without a ratio (--objective policy-gradient)"
    )


def _with_final_values(policy: Foresees, rollouts: Rollouts, size: int) -> Rollouts:
    """With the value of what a world's limit cut rows off in; as they were where none did."""
    cut = [i for i, ending in enumerate(rollouts.endings) if ending is Ending.TIME_LIMIT]
    rows = torch.tensor(cut, dtype=torch.long)
    if not len(rows):
        return rollouts
    final_N = torch.full((len(rollouts),), math.nan)
    for some in rows.split(size or len(rows)):
        with torch.no_grad():
            final_N[some] = policy.final_values(rollouts.select(some)).float()
    return replace(rollouts, final_values=final_N)
