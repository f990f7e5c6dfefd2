"""A larger reward for the less likely of a group's correct completions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guerdon.records import INVALID, Progress, Rollouts, Scores


def mean_likelihood(logp_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """float[N]: mean log-prob of the acted positions, 0 without any (the released code's)."""
    return sum_likelihood(logp_NT, mask_NT) / mask_NT.sum(1).clamp_min(1)


def sum_likelihood(logp_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """float[N]: log-prob of the whole completion."""
    return torch.where(mask_NT, logp_NT, 0.0).sum(1)


def average_ties(likelihood_G: Tensor) -> Tensor:
    """float[G]: place in ascending order from 0; equal entries share their mean place."""
    _, place, count = likelihood_G.unique(return_inverse=True, return_counts=True)
    return (count.cumsum(0) - (count + 1) / 2)[place]


def arbitrary_ties(likelihood_G: Tensor) -> Tensor:
    """float[G]: place in ascending order from 0; equal entries in the order they come."""
    order = likelihood_G.argsort(stable=True)
    return order.argsort().float()


def released_form(rank_G: Tensor, count: int) -> Tensor:
    """``rank / G``: the rarest loses nothing."""
    return rank_G / count


def paper_form(rank_G: Tensor, count: int) -> Tensor:
    """``(rank + 1) / G``, the paper's with ranks counted from the rarest: all lose something."""
    return (rank_G + 1) / count


@dataclass(frozen=True)
class Unlikeliness:
    """``r (1 - beta f)`` with f growing with a row's likelihood in its group (2506.02355).

    All valid rows of a group are ranked by ``likelihood`` of the log-probs at sampling time
    (the trainer's own where recomputed), wrong ones too; ``ties`` ranks, 0 the least likely;
    ``form`` makes f of rank and group size. Value and placements of a row take the same
    factor, so a reward of 0 stays 0; part "unlikeliness" float[N] is the factor. Meant for
    rewards of at least 0. A group of one valid row keeps its reward in the released form.
    ``beta`` 0 changes no value. Drop all-correct groups by the original reward (a filter),
    else their members are only ranked against each other.
    """

    beta: float = 0.25
    likelihood: Callable[[Tensor, Tensor], Tensor] = mean_likelihood
    ties: Callable[[Tensor], Tensor] = average_ties
    form: Callable[[Tensor, int], Tensor] = released_form

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        likelihood_N = self.likelihood(rollouts.behaviour_logps, rollouts.mask)
        factor_N = torch.full_like(scores.value, INVALID)
        for group in rollouts.group.unique():
            rows = ((rollouts.group == group) & scores.valid).nonzero().flatten()
            if len(rows):
                share_G = self.form(self.ties(likelihood_N[rows]), len(rows))
                factor_N[rows] = (1 - self.beta * share_G).float()
        placed = scores.placed
        if placed is not None:
            placed = torch.where(scores.valid[:, None], factor_N[:, None] * placed, 0.0)
        return replace(
            scores,
            value=scores.value * factor_N,
            parts={**scores.parts, "unlikeliness": factor_N},
            placed=placed,
        )
