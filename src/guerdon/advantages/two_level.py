"""Episode and step compared at once: groups of episodes, and groups of equal states."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from guerdon.advantages.group import NoScale, Scale, Single, SingleZero, normalised
from guerdon.advantages.groups import group_statistics
from guerdon.records import Rollouts, Scores


class EpisodeStatistic(Protocol):
    """Which episodes enter the group's mean and spread: row indices, repeated as they count."""

    def __call__(self, turns_N: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class AcrossSteps:
    """An episode counts once per turn, so long ones weigh more (the released code's default)."""

    def __call__(self, turns_N: Tensor) -> Tensor:
        return torch.arange(len(turns_N)).repeat_interleave(turns_N)


@dataclass(frozen=True)
class AcrossTrajectories:
    """Every episode counts once."""

    def __call__(self, turns_N: Tensor) -> Tensor:
        return (turns_N > 0).nonzero().flatten()


@dataclass(frozen=True)
class TwoLevel:
    """GiGPO (2505.10978, eq. 3-8): ``A = A_episode + omega A_step`` on a turn's acted tokens.

    ``A_episode`` compares the row's score with its group's. ``A_step`` compares the discounted
    return ``R_t = sum_{k>=t} discount^(k-t) r_k`` of a turn with those of all turns in the same
    group that were taken from an equal state, in other episodes or earlier in this one. Both
    are centred and divided by ``scale`` (`NoScale` by default, `GroupStd` for the paper's
    other form).

    Step returns read ``rollouts.turn_rewards``, the episode level reads the score: a penalty
    belongs in both or in neither. States must hold no history or step counter, or every one
    is alone; see `stats`. A state met once gives ``A_step`` 0; an episode alone in its group
    gives what ``single`` says; invalid rows and rows without turns give 0. Raises ValueError
    for rollouts without states and turn rewards.
    """

    discount: float = 0.95
    omega: float = 1.0
    scale: Scale = field(default_factory=NoScale)
    episode_statistic: EpisodeStatistic = field(default_factory=AcrossSteps)
    single: Single = field(default_factory=SingleZero)

    def __call__(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        row_S, turn_S, anchor_S = _steps(rollouts)
        advantage_NK = self._episode(scores, rollouts)[:, None] + torch.zeros_like(
            _turn_rewards(rollouts)
        )
        valid_S = scores.valid[row_S]
        return_S = torch.where(valid_S, self._returns(rollouts)[row_S, turn_S], 0.0)
        statistics = group_statistics(return_S, valid_S, anchor_S)
        step_S = normalised(return_S, valid_S, statistics, self.scale, SingleZero())
        advantage_NK = advantage_NK.index_put((row_S, turn_S), self.omega * step_S, accumulate=True)
        turn_NT = torch.zeros_like(rollouts.ids) if rollouts.turn is None else rollouts.turn
        use_NT = rollouts.mask & scores.valid[:, None]
        if not advantage_NK.shape[1]:
            return torch.zeros(use_NT.shape)
        turn_NT = turn_NT.clamp_max(advantage_NK.shape[1] - 1)
        return torch.where(use_NT, advantage_NK.gather(1, turn_NT), 0.0)

    def stats(self, scores: Scores, rollouts: Rollouts) -> dict[str, float]:
        """``anchor_group_size``, the mean over state groups, and ``singleton_share`` of steps.

        Over valid rows; without a valid step both are 0. A mean near 1 says that states hardly
        repeat and the step level is silent.
        """
        row_S, _, anchor_S = _steps(rollouts)
        _, size_A = anchor_S[scores.valid[row_S]].unique(return_counts=True)
        if not len(size_A):
            return {"anchor_group_size": 0.0, "singleton_share": 0.0}
        return {
            "anchor_group_size": float(size_A.float().mean()),
            "singleton_share": float((size_A == 1).sum() / size_A.sum()),
        }

    def _episode(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        turns_N = torch.tensor([len(s) for s in rollouts.states or ()], dtype=torch.long)
        rows = self.episode_statistic(turns_N)
        valid_R = scores.valid[rows]
        value_R = torch.where(valid_R, scores.value[rows], 0.0)
        statistics = group_statistics(value_R, valid_R, rollouts.group[rows])
        advantage_R = normalised(value_R, valid_R, statistics, self.scale, self.single)
        # Repeats of a row carry the same number, so writing it again changes nothing.
        return torch.zeros(len(scores)).index_put((rows,), advantage_R)

    def _returns(self, rollouts: Rollouts) -> Tensor:
        return_NK = _turn_rewards(rollouts).clone()
        for k in reversed(range(return_NK.shape[1] - 1)):
            return_NK[:, k] += self.discount * return_NK[:, k + 1]
        return return_NK


def _turn_rewards(rollouts: Rollouts) -> Tensor:
    if rollouts.turn_rewards is None or rollouts.states is None:
        raise ValueError(
            "TwoLevel needs rollouts of an environment with states and turn_rewards; "
            "choose tasks that are worlds"
        )
    return rollouts.turn_rewards.float()


def _steps(rollouts: Rollouts) -> tuple[Tensor, Tensor, Tensor]:
    """Row, turn and anchor-group index of every step, each long[S]."""
    _turn_rewards(rollouts)
    anchors: dict[tuple[int, Hashable], int] = {}
    steps: list[tuple[int, int, int]] = []
    for row, (group, states) in enumerate(
        zip(rollouts.group.tolist(), rollouts.states or (), strict=True)
    ):
        for turn, state in enumerate(states):
            steps.append((row, turn, anchors.setdefault((group, state), len(anchors))))
    row_S, turn_S, anchor_S = torch.tensor(steps, dtype=torch.long).reshape(-1, 3).unbind(1)
    return row_S, turn_S, anchor_S
