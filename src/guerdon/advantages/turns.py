"""Step-level credit from states that several trajectories visit: GiGPO (2505.10978)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from guerdon.advantages.spread import single_precision
from guerdon.groups import group_statistics, over, root
from guerdon.ranges import NonNegative, Share, check_ranges
from guerdon.records import Experience, Rollouts, Scores


class Norm(Protocol):
    """Centred numbers and their groups' spread to advantages."""

    def __call__(self, centred: Tensor, std: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class MeanNorm:
    """Centred only."""

    def __call__(self, centred: Tensor, std: Tensor) -> Tensor:
        return centred


@dataclass(frozen=True)
class MeanStdNorm:
    """Centred and divided by the spread plus ``epsilon``."""

    epsilon: NonNegative = 1e-6

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, centred: Tensor, std: Tensor) -> Tensor:
        return over(centred, torch.where(std > 0, std + self.epsilon, 0.0))


class EpisodeStatistic(Protocol):
    """How often an episode of ``turns`` turns counts in its group's mean and spread."""

    def __call__(self, turns_N: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class AcrossSteps:
    """Once per turn: long episodes weigh more (the released default)."""

    def __call__(self, turns_N: Tensor) -> Tensor:
        return turns_N


@dataclass(frozen=True)
class AcrossTrajectories:
    """Once per episode."""

    def __call__(self, turns_N: Tensor) -> Tensor:
        return torch.ones_like(turns_N)


@dataclass(frozen=True)
class TwoLevel:
    """``A = A_episode + omega A_step`` on the tokens of each turn.

    ``A_episode`` compares the episode's total with its task's others. ``A_step`` compares the
    discounted return from a turn on with those of all turns of the same task that started in
    an equal state, of any trajectory and time. A state met once gives ``A_step`` 0; a task
    with one valid episode gives ``A_episode`` 0 (the paper's code passes its raw reward).
    After the last turn of a row that was cut off comes what `Rollouts.value_after` says.
    Needs rollouts with ``states`` and ``turn_rewards``; invalid rows take no part.
    """

    name: ClassVar[str] = "two-level"

    discount: Share = 0.95
    """What a reward counts one turn earlier."""
    omega: NonNegative = 1.0
    """The step level's weight beside the episode's."""
    norm: Norm = MeanNorm()
    """How centred numbers are scaled."""
    statistic: EpisodeStatistic = AcrossSteps()
    """How often an episode counts in its group's mean and spread."""

    scope: ClassVar[str] = "group"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        row_M, turn_M, anchor_M = _turns(scores, rollouts)
        if not len(row_M):
            return torch.zeros(rollouts.mask.shape)
        episode_N = self._episodes(scores, rollouts)
        reward_NK = _rewards(rollouts).double()
        turns_N = torch.tensor([len(states) for states in rollouts.states or ()])
        after_N = torch.where(turns_N > 0, self.discount * rollouts.value_after, 0.0).double()
        last_N1 = (turns_N - 1).clamp_min(0)[:, None]
        reward_NK = reward_NK.scatter_add(1, last_N1, after_N[:, None])
        return_NK = returns_to_go(reward_NK, self.discount)
        return_M = return_NK[row_M, turn_M]
        all_valid = torch.ones_like(anchor_M, dtype=torch.bool)
        found = group_statistics(return_M, all_valid, anchor_M)
        step_M = torch.where(found.count > 1, self.norm(found.centred, found.std), 0.0)
        credit_NK = torch.zeros(return_NK.shape, dtype=torch.float64)
        credit_NK[row_M, turn_M] = episode_N[row_M] + self.omega * step_M
        turn_NT = _turn_of(rollouts)
        use_NT = rollouts.mask & scores.valid[:, None]
        return single_precision(credit_NK.gather(1, turn_NT), use_NT)

    def stats(self, experience: Experience) -> dict[str, float]:
        """Mean size of the anchor groups and the share of turns that are alone in theirs.

        A share of 1 means that the step level is silent and the method is GRPO.
        """
        _, _, anchor_M = _turns(experience.scores, experience.rollouts)
        if not len(anchor_M):
            return {"anchor_group_size": 0.0, "singleton_share": 1.0}
        size = torch.bincount(anchor_M)
        return {
            "anchor_group_size": float(size.double().mean()),
            "singleton_share": float((size[anchor_M] == 1).double().mean()),
        }

    def _episodes(self, scores: Scores, rollouts: Rollouts) -> Tensor:
        """float64[N], the episode level."""
        assert rollouts.states is not None
        turns_N = torch.tensor([len(s) for s in rollouts.states]).double()
        weight_N = self.statistic(turns_N) * scores.valid
        total_N = torch.where(scores.valid, scores.value, 0.0).double()
        zeros = torch.zeros(len(rollouts.tasks), dtype=torch.float64)
        weight = zeros.index_add(0, rollouts.group, weight_N)
        mean = zeros.index_add(0, rollouts.group, weight_N * total_N) / weight.clamp_min(1)
        centred_N = total_N - mean[rollouts.group]
        spread = zeros.index_add(0, rollouts.group, weight_N * centred_N**2)
        std = root(spread / (weight - 1).clamp_min(1))
        episodes = zeros.index_add(0, rollouts.group, scores.valid.double())
        normed_N = self.norm(centred_N, std[rollouts.group])
        return torch.where(episodes[rollouts.group] > 1, normed_N, 0.0)

    @classmethod
    def example(cls) -> TwoLevel:
        return cls(norm=MeanStdNorm(), statistic=AcrossTrajectories())


def returns_to_go(reward_NK: Tensor, discount: float) -> Tensor:
    """float[N, K]: ``sum_{k >= t} discount^(k - t) r_k``; whole numbers count as float32."""
    if not reward_NK.is_floating_point():
        reward_NK = reward_NK.float()
    running = torch.zeros(reward_NK.shape[0], dtype=reward_NK.dtype)
    made = torch.zeros_like(reward_NK)
    for t in reversed(range(reward_NK.shape[1])):
        running = reward_NK[:, t] + discount * running
        made[:, t] = running
    return made


def _turns(scores: Scores, rollouts: Rollouts) -> tuple[Tensor, Tensor, Tensor]:
    """Row, turn and anchor group of every turn of every valid row, each long[M]."""
    if rollouts.states is None:
        raise ValueError("TwoLevel needs multi-turn rollouts: they have no states")
    anchors: dict[tuple[int, Hashable], int] = {}
    found = []
    group = rollouts.group.tolist()
    for row, ok in enumerate(scores.valid.tolist()):
        for turn, state in enumerate(rollouts.states[row] if ok else ()):
            found.append((row, turn, anchors.setdefault((group[row], state), len(anchors))))
    row_M, turn_M, anchor_M = torch.tensor(found, dtype=torch.long).reshape(-1, 3).unbind(1)
    return row_M, turn_M, anchor_M


def _rewards(rollouts: Rollouts) -> Tensor:
    if rollouts.turn_rewards is None:
        raise ValueError("TwoLevel needs multi-turn rollouts: they have no turn_rewards")
    return rollouts.turn_rewards


def _turn_of(rollouts: Rollouts) -> Tensor:
    """long[N, T], within the turns there are."""
    turns = _rewards(rollouts).shape[1]
    turn = rollouts.mask.long() * 0 if rollouts.turn is None else rollouts.turn
    return turn.clamp(0, max(turns - 1, 0))
