"""Advantages that credit positions: returns-to-go, whitening and GAE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.advantages.spread import spread_over_tokens, whiten
from guerdon.groups import group_statistics
from guerdon.ranges import Share, check_ranges
from guerdon.records import Rollouts, Scores
from guerdon.stages import Advantage


@dataclass(frozen=True)
class ReturnToGo:
    """``sum_{k >= t} discount^(k - t) r_k`` on acted tokens: REINFORCE without a baseline.

    Positions the policy did not act on carry the return through undiscounted, so a reward
    that falls on an observation still reaches the action before it.
    """

    discount: Share = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        reward_NT = scores.at_positions(rollouts.mask)
        running_N = torch.zeros(len(scores))
        return_NT = torch.zeros(rollouts.mask.shape)
        for t in reversed(range(rollouts.mask.shape[1])):
            acted_N = rollouts.mask[:, t]
            running_N = reward_NT[:, t] + torch.where(acted_N, self.discount, 1.0) * running_N
            return_NT[:, t] = running_N
        return torch.where(rollouts.mask & scores.valid[:, None], return_NT, 0.0)


@dataclass(frozen=True)
class Whiten:
    """Another advantage, whitened over the batch's acted tokens of valid rows."""

    inner: Advantage

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        return whiten(self.inner(scores, rollouts), rollouts.mask & scores.valid[:, None])


@dataclass(frozen=True)
class ReinforcePlusPlus:
    """REINFORCE++ (2501.03262): return-to-go whitened over all tokens of the batch."""

    discount: Share = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        return Whiten(ReturnToGo(self.discount))(scores, rollouts)


@dataclass(frozen=True)
class ReinforcePlusPlusBaseline:
    """``R`` less the group mean on every token, whitened over all tokens of the batch."""

    scope: ClassVar[str] = "group"

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        value_N = torch.where(scores.valid, scores.value, 0.0)
        statistics = group_statistics(value_N, scores.valid, rollouts.group)
        centred_N = torch.where(statistics.count > 1, value_N - statistics.mean, 0.0)
        use_NT = rollouts.mask & scores.valid[:, None]
        return whiten(spread_over_tokens(centred_N, scores, rollouts), use_NT)


@dataclass(frozen=True)
class GAE:
    """Generalised advantage estimation (1506.02438, eq. 16) with ``rollouts.values``.

    ``delta_t = r_t + discount V_{t+1} - V_t``, ``A_t = delta_t + discount lam A_{t+1}``.
    Positions the policy did not act on pass both through unchanged. ``whitened`` applies to
    the advantage only; `returns` are ``A + V`` before it.
    """

    discount: Share = 1.0
    lam: Share = 0.95
    whitened: bool = True

    needs_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        advantage_NT = self._advantage(scores, rollouts)
        if not self.whitened:
            return advantage_NT
        return whiten(advantage_NT, rollouts.mask & scores.valid[:, None])

    def returns(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        """float[N, T], the value head's targets."""
        advantage_NT = self._advantage(scores, rollouts)
        use_NT = rollouts.mask & scores.valid[:, None]
        return torch.where(use_NT, advantage_NT + _values(rollouts), 0.0)

    def _advantage(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        reward_NT, value_NT = scores.at_positions(rollouts.mask), _values(rollouts)
        n, width = rollouts.mask.shape
        next_value_N, next_advantage_N = torch.zeros(n), torch.zeros(n)
        pending_N = torch.zeros(n)  # rewards on observations fall to the action before them
        advantage_NT = torch.zeros(n, width)
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


def _values(rollouts: Rollouts) -> Tensor:
    if rollouts.values is None:
        raise ValueError(
            "GAE needs value estimates: set model.value_head and use an objective with a value "
            "loss, such as PPO"
        )
    return rollouts.values
