"""DisCO: right answers scored above wrong ones, near the policy that sampled (2505.12366)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from guerdon.objectives.aggregation import TokenMean
from guerdon.objectives.kl import Estimator, k1
from guerdon.ranges import Finite, NonNegative, Range, check_ranges
from guerdon.records import Experience, Loss, PolicyOutput, Rollouts
from guerdon.stages import Aggregation

_BOUND = 20.0
_SAME = 1e-4


@dataclass(frozen=True)
class LogLikelihood:
    """A completion's score is its mean log-prob per token."""

    def __call__(self, logp_NT: Tensor, old_NT: Tensor, mask_NT: Tensor) -> Tensor:
        return _row_mean(logp_NT, mask_NT)


@dataclass(frozen=True)
class LikelihoodRatio:
    """A completion's score is the mean over its tokens of the ratio to the sampler, unclipped."""

    def __call__(self, logp_NT: Tensor, old_NT: Tensor, mask_NT: Tensor) -> Tensor:
        return _row_mean((logp_NT - old_NT).clamp(-_BOUND, _BOUND).exp(), mask_NT)


@dataclass(frozen=True)
class AllGroups:
    """Groups of one kind of rows count in the mean, with 0: the paper's code."""

    def __call__(self, mixed_B: Tensor) -> Tensor:
        return torch.ones_like(mixed_B).sum()


@dataclass(frozen=True)
class MixedGroups:
    """The mean is over the groups that have both right and wrong rows."""

    def __call__(self, mixed_B: Tensor) -> Tensor:
        return mixed_B.sum()


@dataclass(frozen=True, kw_only=True)
class DisCO:
    """``-J + (β / 2) max(KL - δ, 0)²`` over a whole minibatch (2505.12366).

    ``J`` is the mean over groups of ``mean_pos s - τ log mean_neg exp(s / τ)``: positives' scores
    against those of the negatives, of which the highest weigh most. ``tau`` inf gives plain means
    (DisCO-b). ``KL`` is the mean over all acted tokens of ``estimator``, an estimate of
    KL(sampler || policy); inside the ball of ``delta`` it exerts no force. It needs two or more
    updates per batch: at the first the policy is the sampler, and the constraint can't
    act (a run with one is refused).

    A group's positives are the rows whose advantage is the higher of its two values, or, with
    ``threshold``, those above it; graded advantages without one are an error that names the task. A
    group without positives or without negatives has J 0 and no gradient. Rows that never acted are
    left out.

    Figures: ``objective`` J, ``kl_sampler``, ``penalty``, and ``logp_negative``, the negatives'
    mean log-prob per token, which only the constraint keeps from falling.

    Attributes:
        score: (logps, logps at sampling, mask) float[N, T] to float[N].
        over: which groups the mean is over, `AllGroups` or `MixedGroups`.
        estimator: of the KL, called with (logps at sampling, logps); `k1` or `k3`.
    """

    name: ClassVar[str] = "disco"

    score: Callable[[Tensor, Tensor, Tensor], Tensor] = LikelihoodRatio()
    """A completion's score, from log-probs now and at sampling."""
    tau: Annotated[float, Range(0, open_low=True, infinite=True, note="inf for plain means")] = 1.0
    """The temperature over the negatives: the lower, the more the highest weigh."""
    delta: NonNegative = 1e-4
    """The divergence up to which the constraint exerts no force."""
    beta: NonNegative = 1e3
    """How hard it pushes back beyond that."""
    over: Callable[[Tensor], Tensor] = AllGroups()
    """Which groups the mean is over."""
    estimator: Estimator = k1
    """How the divergence from the sampler is estimated."""
    threshold: Finite | None = None
    """The advantage above which a row counts as right; null: the higher of a group's two."""
    aggregation: Aggregation = field(default_factory=TokenMean)
    """Of no effect: the loss is a mean over groups."""

    couples: ClassVar[str] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset()
    reads_sampler: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def least_updates(self) -> int:
        """How many updates a batch needs, for the constraint to act at all."""
        return 2 if self.beta else 1

    def __call__(
        self,
        now: PolicyOutput,
        experience: Experience,
        row_weight: Tensor | None = None,
    ) -> Loss:
        rollouts, advantage = experience.rollouts, experience.advantage
        acted_N = rollouts.mask.any(1)
        mask_NT, group_N = rollouts.mask[acted_N], rollouts.group[acted_N]
        old_NT = torch.where(mask_NT, rollouts.behaviour_logps[acted_N], 0.0)
        logp_NT = torch.where(mask_NT, now.logps[acted_N], 0.0)
        if not len(group_N):
            return Loss(now.logps.sum() * 0.0)
        positive_N = self._positives(_row_mean(advantage[acted_N], mask_NT), group_N, rollouts)
        score_N = self.score(logp_NT, old_NT, mask_NT)
        objective = self._contrast(score_N, positive_N, group_N)
        divergence = (
            torch.where(mask_NT, self.estimator(old_NT, logp_NT), 0.0).sum() / mask_NT.sum()
        )
        penalty = 0.5 * self.beta * (divergence - self.delta).clamp_min(0.0) ** 2
        told = {"objective": objective, "kl_sampler": divergence, "penalty": penalty}
        if not positive_N.all():
            told["logp_negative"] = _row_mean(logp_NT, mask_NT)[~positive_N].mean()
        return Loss(penalty - objective, {name: float(one.detach()) for name, one in told.items()})

    def _contrast(self, score_N: Tensor, positive_N: Tensor, group_N: Tensor) -> Tensor:
        """J. ``(s - top) / τ`` under the exponential is at most 0, so nothing overflows."""
        present, group_N = torch.unique(group_N, return_inverse=True)
        zeros_B = score_N.new_zeros(len(present))
        rights_B = zeros_B.index_add(0, group_N, positive_N.to(score_N.dtype))
        wrongs_B = zeros_B.index_add(0, group_N, (~positive_N).to(score_N.dtype))
        mixed_B = (rights_B > 0) & (wrongs_B > 0)
        right_B = zeros_B.index_add(0, group_N, torch.where(positive_N, score_N, 0.0))
        right_B = right_B / rights_B.clamp_min(1)
        if self.tau == float("inf"):
            wrong_B = zeros_B.index_add(0, group_N, torch.where(positive_N, 0.0, score_N))
            wrong_B = wrong_B / wrongs_B.clamp_min(1)
        else:
            low = torch.finfo(score_N.dtype).min
            known_N = torch.where(positive_N, low, score_N.detach())
            top_B = zeros_B.scatter_reduce(0, group_N, known_N, "amax", include_self=False)
            above_N = torch.where(positive_N, 0.0, (score_N - top_B[group_N]) / self.tau)
            mass_B = zeros_B.index_add(0, group_N, torch.where(positive_N, 0.0, above_N.exp()))
            mean_B = torch.where(mixed_B, mass_B / wrongs_B.clamp_min(1), 1.0)
            wrong_B = top_B + self.tau * mean_B.log()
        gained = torch.where(mixed_B, right_B - wrong_B, 0.0).sum()
        return gained / self.over(mixed_B).clamp_min(1)

    def _positives(self, advantage_N: Tensor, group_N: Tensor, rollouts: Rollouts) -> Tensor:
        """bool[N]. Raises ValueError for a group with more than two advantages."""
        if self.threshold is not None:
            return advantage_N > self.threshold
        zeros_B = advantage_N.new_zeros(len(rollouts.tasks))
        high_N, low_N = (
            zeros_B.scatter_reduce(0, group_N, advantage_N, how, include_self=False)[group_N]
            for how in ("amax", "amin")
        )
        slack_N = _SAME * (high_N - low_N)
        is_high_N = advantage_N >= high_N - slack_N
        graded_N = ~is_high_N & (advantage_N > low_N + slack_N)
        if graded_N.any():
            task = rollouts.tasks[int(group_N[graded_N][0])]
            raise ValueError(
                f"the rows of task {task.id!r} have more than two advantages, and DisCO tells "
                "right from wrong alone; use a reward of two values or set objective.threshold"
            )
        return is_high_N

    @classmethod
    def example(cls) -> DisCO:
        return cls(threshold=0.3, beta=10.0)


def _row_mean(value_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """float[N]: the mean over a row's acted positions; every row has one."""
    return torch.where(mask_NT, value_NT, 0.0).sum(1) / mask_NT.sum(1)
