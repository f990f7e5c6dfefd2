"""What an environment says of an episode: its rewards, and whether it could follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.ranges import Filled, check_ranges
from guerdon.records import VALID, Progress, Rollouts, Scores

_NOWHERE = "the row has no acted position to place a reward on"
_FAILED = "the world failed: a turn has no finite reward (a traceback would be in the log)"


@dataclass(frozen=True)
class EnvironmentReturn:
    """The sum of an episode's turn rewards, each placed at its turn's last acted position.

    Value and part "return": float[N]; ``placed`` float[N, T] sums to it. The reward of a turn
    in which the policy did not act falls on the last position it acted at before (on the
    first, if there is none before). A row without any acted position is invalid, and one with a
    reward that is not finite: its world raised, or gave such a number, which is its failure.

    Raises ValueError for rollouts without turn rewards, or with several turns and no turn
    index.
    """

    name: ClassVar[str] = "environment-return"
    no_example: ClassVar[str] = "it reads the environment's rewards, not the completion"

    scope: ClassVar[str] = "turn"
    range: ClassVar[tuple[float, float] | None] = None

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        reward_NK = rollouts.turn_rewards
        if reward_NK is None:
            raise ValueError(
                "EnvironmentReturn needs rollouts of an environment: these have no turn_rewards"
            )
        value_N = reward_NK.float().sum(1)
        acted_N = rollouts.mask.any(1)
        placed_NT = torch.where(
            (acted_N & torch.isfinite(value_N))[:, None], _placed(rollouts, reward_NK.float()), 0.0
        )
        finite_N = torch.isfinite(value_N)
        errors = tuple(None if finite else _FAILED for finite in finite_N.tolist())
        nowhere = tuple(None if acted else _NOWHERE for acted in acted_N.tolist())
        return Scores(
            value=value_N,
            parts={"return": value_N},
            valid=acted_N & finite_N,
            reasons=tuple(a or b for a, b in zip(errors, nowhere, strict=True)),
            placed=placed_NT,
            errors=errors,
        )


def _placed(rollouts: Rollouts, reward_NK: Tensor) -> Tensor:
    mask_NT, turns = rollouts.mask, reward_NK.shape[1]
    if rollouts.turn is None and turns > 1:
        raise ValueError(
            f"EnvironmentReturn: {turns} turns of rewards, but the rollouts have no turn index"
        )
    turn_NT = rollouts.mask.long() * 0 if rollouts.turn is None else rollouts.turn
    placed_NT = torch.zeros(mask_NT.shape)
    if mask_NT.shape[1] == 0:
        return placed_NT
    positions_T = torch.arange(mask_NT.shape[1])
    where_N = mask_NT.int().argmax(1)
    for k in range(turns):
        last_N = torch.where(mask_NT & (turn_NT == k), positions_T, -1).amax(1)
        where_N = torch.where(last_N >= 0, last_N, where_N)
        placed_NT = placed_NT.scatter_add(1, where_N[:, None], reward_NK[:, k : k + 1])
    return placed_NT


@dataclass(frozen=True)
class WellFormedTurns:
    """``2 f - 1`` for the share f of an episode's turns that were well formed (2506.20332).

    Mobile-R1's form of a whole episode, which goes beside what the episode came to. A turn is well
    formed where the signal says 1; one that is not known (NaN) does not count. Value and part
    "form": float[N] in [-1, 1]. A row without a known turn is invalid. Raises ValueError for
    rollouts without that signal.

    Beside a task's reward in [0, 1], failing in good form and succeeding in bad form are both
    worth 1: give the task's reward a weight of 2 or more where that matters.
    """

    name: ClassVar[str] = "well-formed-turns"
    no_example: ClassVar[str] = "it reads the environment's signals, not the completion"

    signal: Filled = VALID
    """The signal of a turn that is 1 where it was well formed."""

    scope: ClassVar[str] = "turn"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        formed_NK = rollouts.signals.get(self.signal)
        if formed_NK is None:
            raise ValueError(
                f"WellFormedTurns reads the signal {self.signal!r}, and these rollouts have "
                f"{', '.join(rollouts.signals) or 'none'}; use it with tasks that are played"
            )
        value_N = 2 * formed_NK.float().nanmean(1) - 1
        known_N = torch.isfinite(value_N)
        reasons = tuple(None if known else "no turn is known" for known in known_N.tolist())
        return Scores(value_N, {"form": value_N}, valid=known_N, reasons=reasons)
