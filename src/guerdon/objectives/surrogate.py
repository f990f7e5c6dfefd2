"""Policy objectives: a loss per token from a ratio and an advantage, then aggregated.

Notation: ``rho = exp(logp - old_logp)``, ``A`` the advantage, ``sg`` stop-gradient. All add
the same optional terms: a KL loss against the reference, an entropy bonus, and a truncated
weight for the mismatch between trainer and sampling engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor

from guerdon.objectives.aggregation import SequenceMean, TokenMean
from guerdon.objectives.kl import KL, k3_corrected
from guerdon.ranges import Finite, NonNegative, Positive, above, check_ranges
from guerdon.records import Experience, Loss, PolicyOutput, Rollouts
from guerdon.stages import Aggregation

_BOUND = 20.0
"""Log-ratios are clamped here: exp stays finite whatever the policies say."""


@dataclass(frozen=True, kw_only=True)
class Terms(ABC):
    """What every policy objective may add.

    ``kl`` None means no reference is needed. ``entropy_bonus`` is subtracted times the
    entropy. Where another engine or older weights sampled the completions (they
    have ``old_logps``), ``engine_cap`` C multiplies the surrogate by the truncated importance
    weight ``min(exp(old - sampled), C)`` without gradient (None = off). Logged then:
    ``engine_gap``, the mean of ``|old - sampled|``, ``engine_ratio``, that of
    ``exp(old - sampled)``, and ``engine_capped``, the share of weights cut to C. Where the
    sampler's log-probs are not known (NaN) that weight is 1.
    """

    kl: KL | None = None
    """A divergence from the reference in the loss; null: none."""
    entropy_bonus: Finite = 0.0
    """What the entropy is paid with."""
    engine_cap: Annotated[float | None, above(0)] = 2.0
    """The most that a token counts for the gap between trainer and sampler; null: no weight."""
    aggregation: Aggregation = field(default_factory=TokenMean)
    """How the losses of tokens become one number."""

    couples: ClassVar[str] = "position"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def needs(self) -> frozenset[str]:
        """What to compute besides log-probs."""
        wanted = {"reference"} if self.kl is not None else set()
        return frozenset(wanted | ({"entropy"} if self.entropy_bonus else set()))

    @classmethod
    def example(cls) -> Self:
        """With all that it may add."""
        return cls(kl=KL(0.1, k3_corrected), entropy_bonus=0.01, aggregation=SequenceMean())

    @abstractmethod
    def surrogate(self, now: PolicyOutput, experience: Experience) -> Surrogate:
        """The loss per token, and shares to log."""

    def __call__(
        self,
        now: PolicyOutput,
        experience: Experience,
        row_weight: Tensor | None = None,
    ) -> Loss:
        rollouts = experience.rollouts
        mask_NT = rollouts.mask
        if row_weight is None:
            row_weight = self.aggregation(mask_NT.sum(1))
        weight_NT = torch.where(mask_NT, row_weight[:, None], 0.0).to(now.logps.dtype)
        # Cut here as well, so that no policy can leak a gradient through what it didn't do.
        now = replace(now, logps=torch.where(mask_NT, now.logps, 0.0))
        made = self.surrogate(now, experience)
        for more in (self._for_engine, self._with_kl, self._with_entropy):
            made = more(made, now, rollouts)
        metrics = {name: _total(share_NT, weight_NT) for name, share_NT in made.shares.items()}
        return Loss((torch.where(mask_NT, made.loss, 0.0) * weight_NT).sum(), metrics)

    def _for_engine(self, made: Surrogate, now: PolicyOutput, rollouts: Rollouts) -> Surrogate:
        """Weighted for what sampled in the trainer's place, if something else did."""
        if self.engine_cap is None or rollouts.old_logps is None:
            return made
        gap_NT = (rollouts.old_logps - rollouts.logps).nan_to_num(0.0).clamp(-_BOUND, _BOUND)
        importance_NT = gap_NT.exp()
        capped_NT = (importance_NT > self.engine_cap).float()
        return Surrogate(
            made.loss * importance_NT.clamp_max(self.engine_cap),
            {
                **made.shares,
                "engine_gap": gap_NT.abs(),
                "engine_ratio": importance_NT,
                "engine_capped": capped_NT,
            },
        )

    def _with_kl(self, made: Surrogate, now: PolicyOutput, rollouts: Rollouts) -> Surrogate:
        if self.kl is None:
            return made
        if rollouts.reference_logps is None:
            raise ValueError("the objective has a KL term but the rollouts no reference_logps")
        kl_NT = self.kl.estimator(now.logps, rollouts.reference_logps)
        return Surrogate(made.loss + self.kl.coefficient * kl_NT, {**made.shares, "kl": kl_NT})

    def _with_entropy(self, made: Surrogate, now: PolicyOutput, rollouts: Rollouts) -> Surrogate:
        if not self.entropy_bonus:
            return made
        if now.entropy is None:
            raise ValueError("the objective has an entropy bonus but got no entropy")
        loss_NT = made.loss - self.entropy_bonus * now.entropy
        return Surrogate(loss_NT, {**made.shares, "entropy": now.entropy})


@dataclass(frozen=True)
class Surrogate:
    """loss float[N, T] and named float[N, T] shares, which are logged by the loss's weights."""

    loss: Tensor
    shares: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class ClippedSurrogate(Terms):
    """``-min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A)``: PPO (1707.06347, eq. 7).

    With a larger ``clip_high`` it is DAPO's clip-higher. ``dual_clip`` c > 1 bounds the loss
    of a negative advantage by ``-c A`` (1912.09729).
    """

    name: ClassVar[str] = "clipped-surrogate"
    reads_sampler: ClassVar[bool] = True

    clip_low: NonNegative = 0.2
    """How far below 1 a ratio still counts."""
    clip_high: NonNegative = 0.2
    """How far above 1 a ratio still counts."""
    dual_clip: Annotated[float | None, above(1)] = None
    """The bound of a negative advantage's loss, in advantages; null: none."""

    def surrogate(self, now: PolicyOutput, experience: Experience) -> Surrogate:
        rollouts, advantage = experience.rollouts, experience.advantage
        ratio_NT = _ratio(now.logps, rollouts.behaviour_logps)
        clipped_NT = ratio_NT.clamp(1 - self.clip_low, 1 + self.clip_high)
        plain, bounded = -ratio_NT * advantage, -clipped_NT * advantage
        loss = torch.maximum(plain, bounded)
        if self.dual_clip is not None:
            capped = torch.minimum(loss, -self.dual_clip * advantage)
            loss = torch.where(advantage < 0, capped, loss)
        return Surrogate(loss, _shares(ratio_NT, bounded > plain))


@dataclass(frozen=True, kw_only=True)
class GSPO(Terms):
    """Sequence-level ratio ``s = exp(mean_t log rho)``, clipped (2507.18071, eq. 5).

    The gradient flows through the mean of the row's log-probs. Aggregated per sequence.
    """

    name: ClassVar[str] = "gspo"
    reads_sampler: ClassVar[bool] = True

    clip_low: NonNegative = 3e-4
    """How far below 1 a completion's ratio still counts."""
    clip_high: NonNegative = 4e-4
    """How far above 1 a completion's ratio still counts."""
    aggregation: Aggregation = field(default_factory=SequenceMean)
    """How the losses of tokens become one number."""

    couples: ClassVar[str] = "row"

    def surrogate(self, now: PolicyOutput, experience: Experience) -> Surrogate:
        rollouts, advantage = experience.rollouts, experience.advantage
        mask_NT = rollouts.mask
        gap_NT = torch.where(mask_NT, now.logps - rollouts.behaviour_logps, 0.0)
        mean_N1 = gap_NT.sum(1, keepdim=True) / mask_NT.sum(1, keepdim=True).clamp_min(1)
        ratio_NT = mean_N1.clamp(-_BOUND, _BOUND).exp().expand_as(gap_NT)
        clipped_NT = ratio_NT.clamp(1 - self.clip_low, 1 + self.clip_high)
        plain, bounded = -ratio_NT * advantage, -clipped_NT * advantage
        return Surrogate(torch.maximum(plain, bounded), _shares(ratio_NT, bounded > plain))


@dataclass(frozen=True, kw_only=True)
class CISPO(Terms):
    """``-sg(clamp(rho, 1 - clip_low, 1 + clip_high)) A logp`` (2506.13585, eq. 4).

    The weight is clipped, never the gradient. The default lower bound never acts (verl's
    recipe); TRL's ``epsilon_high`` is ``1 + clip_high`` here.
    """

    name: ClassVar[str] = "cispo"
    reads_sampler: ClassVar[bool] = True

    clip_low: NonNegative = 10.0
    """How far below 1 a token's weight may be; 10: it may be anything."""
    clip_high: NonNegative = 0.2
    """How far above 1 a token's weight may be."""

    def surrogate(self, now: PolicyOutput, experience: Experience) -> Surrogate:
        rollouts, advantage = experience.rollouts, experience.advantage
        ratio_NT = _ratio(now.logps, rollouts.behaviour_logps).detach()
        weight_NT = ratio_NT.clamp(1 - self.clip_low, 1 + self.clip_high)
        return Surrogate(
            -weight_NT * advantage * now.logps, _shares(ratio_NT, weight_NT != ratio_NT)
        )


@dataclass(frozen=True, kw_only=True)
class PolicyGradient(Terms):
    """``-A logp``: REINFORCE; with advantage 1 it is the likelihood of demonstrations."""

    name: ClassVar[str] = "policy-gradient"

    def surrogate(self, now: PolicyOutput, experience: Experience) -> Surrogate:
        return Surrogate(-experience.advantage * now.logps, {})


@dataclass(frozen=True, kw_only=True)
class SAPO(Terms):
    """``-(4 / tau) sigmoid(tau (rho - 1)) A``, tau by the sign of A: a soft clip."""

    name: ClassVar[str] = "sapo"
    reads_sampler: ClassVar[bool] = True

    tau_positive: Positive = 1.0
    """How steep the soft clip is where the advantage is above 0."""
    tau_negative: Positive = 1.05
    """How steep it is elsewhere."""

    def surrogate(self, now: PolicyOutput, experience: Experience) -> Surrogate:
        rollouts, advantage = experience.rollouts, experience.advantage
        ratio_NT = _ratio(now.logps, rollouts.behaviour_logps)
        tau = torch.where(advantage > 0, self.tau_positive, self.tau_negative)
        gate_NT = 4 / tau * torch.sigmoid(tau * (ratio_NT - 1))
        return Surrogate(-gate_NT * advantage, _shares(ratio_NT, torch.zeros_like(rollouts.mask)))


@dataclass(frozen=True, kw_only=True)
class PPO(ClippedSurrogate):
    """`ClippedSurrogate` plus ``value_weight / 2 * max((V - R)^2, (clip(V) - R)^2)``.

    ``clip(V)`` keeps the new value within ``value_clip`` of the one at sampling time. Needs a
    value head, and `GAE` for the targets.
    """

    name: ClassVar[str] = "ppo"

    value_weight: NonNegative = 1.0
    """The value loss's weight."""
    value_clip: NonNegative = 0.5
    """How far a value may move from the one at sampling and still count."""

    @property
    def needs(self) -> frozenset[str]:
        """What to compute besides log-probs."""
        return super().needs | {"values"}

    def surrogate(self, now: PolicyOutput, experience: Experience) -> Surrogate:
        rollouts = experience.rollouts
        if now.values is None or rollouts.values is None or rollouts.returns is None:
            raise ValueError(
                "PPO needs values and returns: use the GAE advantage and model.value_head"
            )
        made = super().surrogate(now, experience)
        near = rollouts.values + (now.values - rollouts.values).clamp(
            -self.value_clip, self.value_clip
        )
        worse = torch.maximum((now.values - rollouts.returns) ** 2, (near - rollouts.returns) ** 2)
        value_NT = 0.5 * self.value_weight * worse
        return Surrogate(made.loss + value_NT, {**made.shares, "value_loss": value_NT})


def _ratio(logp: Tensor, old_logp: Tensor) -> Tensor:
    return (logp - old_logp).clamp(-_BOUND, _BOUND).exp()


def _shares(ratio_NT: Tensor, clipped_NT: Tensor) -> dict[str, Tensor]:
    return {"clip_share": clipped_NT.float(), "ratio_gap": (ratio_NT - 1).abs()}


def _total(share_NT: Tensor, weight_NT: Tensor) -> float:
    """A weighted sum; entries without weight may hold anything, NaN too."""
    kept = torch.where(weight_NT > 0, share_NT.detach(), 0.0)
    return float((kept * weight_NT).sum())
