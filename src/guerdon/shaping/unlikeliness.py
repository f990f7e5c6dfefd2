"""Pay rare correct samples more: the unlikeliness reward (2506.02355)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from scipy.stats import rankdata
from torch import Tensor

from guerdon.ranges import Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores


class Likelihood(Protocol):
    """How likely each row was under the policy that sampled it: float[N]."""

    def __call__(self, rollouts: Rollouts) -> Tensor: ...


@dataclass(frozen=True)
class MeanLogProb:
    """Mean over acted tokens (the released code's choice); 0 for an empty row."""

    reads_sampler: ClassVar[bool] = True

    def __call__(self, rollouts: Rollouts) -> Tensor:
        total = torch.where(rollouts.mask, rollouts.behaviour_logps, 0.0).sum(1)
        return total / rollouts.mask.sum(1).clamp_min(1)


@dataclass(frozen=True)
class SumLogProb:
    """Sum over acted tokens: the sequence's log-probability."""

    reads_sampler: ClassVar[bool] = True

    def __call__(self, rollouts: Rollouts) -> Tensor:
        return torch.where(rollouts.mask, rollouts.behaviour_logps, 0.0).sum(1)


class Form(Protocol):
    """Ascending ranks from 0 (least likely) in a group of ``size`` to the share taken off."""

    def __call__(self, rank: Tensor, size: int) -> Tensor: ...


@dataclass(frozen=True)
class ReleasedForm:
    """``rank / G``: 0 for the least likely."""

    def __call__(self, rank: Tensor, size: int) -> Tensor:
        return rank / size


@dataclass(frozen=True)
class PaperForm:
    """``(rank + 1) / G``: 1 for the most likely, 1/G for the least."""

    def __call__(self, rank: Tensor, size: int) -> Tensor:
        return (rank + 1) / size


@dataclass(frozen=True)
class Unlikeliness:
    """``r'_i = r_i (1 - beta f_i)``, ``f_i`` growing with the likelihood's rank in the group.

    All valid samples of the group are ranked, wrong ones too. Rows of equal likelihood share
    their average rank. Wrong samples (reward 0) stay 0; ``beta`` 0 changes nothing. Adds the
    part "unlikeliness", what was taken off. Placed rewards take their row's factor.
    """

    name: ClassVar[str] = "unlikeliness"

    beta: Share = 0.25
    """The share taken off the likeliest right answer."""
    likelihood: Likelihood = MeanLogProb()
    """How likely a row is: its tokens' mean or sum."""
    form: Form = ReleasedForm()
    """From a row's rank to the share taken off."""

    scope: ClassVar[str] = "group"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        likelihood_N = self.likelihood(rollouts)
        factor_N = torch.zeros(len(scores))
        for group in range(len(rollouts.tasks)):
            rows = ((rollouts.group == group) & scores.valid).nonzero().flatten()
            if len(rows):
                rank = torch.from_numpy(rankdata(likelihood_N[rows].numpy()) - 1).float()
                factor_N[rows] = self.form(rank, len(rows))
        kept_N = 1 - self.beta * factor_N
        taken_N = torch.where(scores.valid, scores.value * (kept_N - 1), 0.0)
        return replace(
            scores,
            value=scores.value * kept_N,
            placed=None if scores.placed is None else scores.placed * kept_N[:, None],
            parts={**scores.parts, "unlikeliness": taken_N},
        )

    @classmethod
    def example(cls) -> Unlikeliness:
        return cls(0.5, SumLogProb())

    @classmethod
    def trivial(cls) -> Unlikeliness:
        return cls(0.0)
