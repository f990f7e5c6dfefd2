"""Advantages that credit positions: returns-to-go, whitening and GAE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.advantages.spread import single_precision, whiten
from guerdon.groups import group_statistics
from guerdon.ranges import Share, check_ranges
from guerdon.records import Experience, Rollouts, Scores
from guerdon.stages import Advantage


@dataclass(frozen=True)
class ReturnToGo:
    """``sum_{k >= t} discount^(k - t) r_k`` on acted tokens: REINFORCE without a baseline.

    Positions the policy did not act on carry the return through undiscounted, so a reward
    that falls on an observation still reaches the action before it. After the last action
    of a row that was cut off comes what `Rollouts.value_after` says. Summed in float64.
    """

    name: ClassVar[str] = "return-to-go"

    discount: Share = 1.0
    """What a reward counts one action earlier."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        reward_NT = scores.at_positions(rollouts.mask).double()
        running_N = rollouts.value_after.double()
        return_NT = torch.zeros(rollouts.mask.shape, dtype=torch.float64)
        for t in reversed(range(rollouts.mask.shape[1])):
            acted_N = rollouts.mask[:, t]
            running_N = reward_NT[:, t] + torch.where(acted_N, self.discount, 1.0) * running_N
            return_NT[:, t] = running_N
        return single_precision(return_NT, rollouts.mask & scores.valid[:, None])

    @classmethod
    def example(cls) -> ReturnToGo:
        return cls(0.9)


@dataclass(frozen=True)
class Imitation:
    """1 on the acted tokens of valid rows, whatever their reward: what is chosen is imitated."""

    name: ClassVar[str] = "imitation"

    def __call__(self, experience: Experience) -> Tensor:
        return (experience.rollouts.mask & experience.scores.valid[:, None]).float()

    @classmethod
    def example(cls) -> Imitation:
        return cls()


@dataclass(frozen=True)
class Whiten:
    """Another advantage, whitened over the batch's acted tokens of valid rows.

    The variance has ddof 1, or 0 without ``unbiased`` (fine-grained RLHF, 2306.01693: 1, 2, 3 and
    4 become -1.3416, -0.4472, 0.4472 and 1.3416).
    """

    name: ClassVar[str] = "whiten"
    made_of: ClassVar[str] = "another advantage"

    inner: Advantage
    """The advantage that is whitened."""
    unbiased: bool = True
    """Whether the variance has ddof 1."""

    def __call__(self, experience: Experience) -> Tensor:
        use_NT = experience.rollouts.mask & experience.scores.valid[:, None]
        return whiten(self.inner(experience), use_NT, self.unbiased)

    @classmethod
    def example(cls) -> Whiten:
        return cls(ReturnToGo())


@dataclass(frozen=True)
class ReinforcePlusPlus:
    """REINFORCE++ (2501.03262): return-to-go whitened over all tokens of the batch."""

    name: ClassVar[str] = "reinforce++"

    discount: Share = 1.0
    """What a reward counts one action earlier."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Tensor:
        return Whiten(ReturnToGo(self.discount))(experience)

    @classmethod
    def example(cls) -> ReinforcePlusPlus:
        return cls(0.9)


@dataclass(frozen=True)
class ReinforcePlusPlusBaseline:
    """``R`` less the group mean on every token, whitened over all tokens of the batch."""

    name: ClassVar[str] = "reinforce++-baseline"

    scope: ClassVar[str] = "group"

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        value_N = torch.where(scores.valid, scores.value, 0.0)
        statistics = group_statistics(value_N, scores.valid, rollouts.group)
        use_NT = rollouts.mask & scores.valid[:, None]
        return whiten(statistics.centred[:, None].expand(use_NT.shape), use_NT)

    @classmethod
    def example(cls) -> ReinforcePlusPlusBaseline:
        return cls()


@dataclass(frozen=True)
class GAE:
    """Generalised advantage estimation (1506.02438, eq. 16) with ``rollouts.values``.

    ``delta_t = r_t + discount V_{t+1} - V_t``, ``A_t = delta_t + discount lam A_{t+1}``.
    Positions the policy did not act on pass both through unchanged. ``V`` after the last action
    is 0 where the row ended and, at a limit, what `Rollouts.value_after` says. ``whitened``
    applies to the advantage only; `returns` are ``A + V`` before it.
    """

    name: ClassVar[str] = "gae"

    discount: Share = 1.0
    """What a reward counts one action earlier."""
    lam: Share = 0.95
    """How far credit reaches back: 0 is one step, 1 all of them."""
    whitened: bool = True
    """Whether the advantage is whitened over the batch."""

    needs: ClassVar[frozenset[str]] = frozenset({"values"})

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        advantage_NT = self._advantage(scores, rollouts)
        use_NT = rollouts.mask & scores.valid[:, None]
        if not self.whitened:
            return single_precision(advantage_NT, use_NT)
        return whiten(advantage_NT, use_NT)

    def returns(self, experience: Experience) -> Tensor:
        """float[N, T], the value head's targets."""
        scores, rollouts = experience.scores, experience.rollouts
        advantage_NT = self._advantage(scores, rollouts)
        use_NT = rollouts.mask & scores.valid[:, None]
        return single_precision(advantage_NT + _values(rollouts), use_NT)

    def _advantage(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        """float64[N, T]."""
        reward_NT = scores.at_positions(rollouts.mask).double()
        value_NT = _values(rollouts).double()
        n, width = rollouts.mask.shape
        # Rewards on observations are pending: they fall to the action before them.
        next_value_N = rollouts.value_after.double()
        next_advantage_N, pending_N = torch.zeros(2, n, dtype=torch.float64)
        advantage_NT = torch.zeros(n, width, dtype=torch.float64)
        for t in reversed(range(width)):
            acted_N = rollouts.mask[:, t]
            reward_N = reward_NT[:, t] + pending_N
            delta_N = reward_N + self.discount * next_value_N - value_NT[:, t]
            new_N = delta_N + self.discount * self.lam * next_advantage_N
            next_advantage_N = torch.where(acted_N, new_N, next_advantage_N)
            next_value_N = torch.where(acted_N, value_NT[:, t], next_value_N)
            pending_N = torch.where(acted_N, 0.0, reward_N)
            advantage_NT[:, t] = next_advantage_N
        return torch.where(rollouts.mask & scores.valid[:, None], advantage_NT, 0.0)

    @classmethod
    def example(cls) -> GAE:
        return cls(0.9, 0.8)


def _values(rollouts: Rollouts) -> Tensor:
    if rollouts.values is None:
        raise ValueError(
            "GAE needs value estimates: set model.value_head and use an objective with a value "
            "loss, such as PPO"
        )
    return rollouts.values
