"""Process rewards that can't be farmed: Clip and Delta on the scores of steps (2410.15115)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from guerdon.judging import judged
from guerdon.ranges import Count, Finite, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.stages import Reward


class StepEnds(Protocol):
    """Where the steps of each row end: bool[N, T], within the mask."""

    def __call__(self, rollouts: Rollouts) -> Tensor: ...


@dataclass(frozen=True)
class SeparatorEnds:
    """A step ends at a token of ``tokens`` (the last of a run), and at the last acted position.

    The ids must be those that the process reward splits at.
    """

    tokens: tuple[Count, ...]

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts) -> Tensor:
        apart_NT = torch.isin(rollouts.ids, torch.tensor(self.tokens)) & rollouts.mask
        again_NT = torch.nn.functional.pad(apart_NT[:, 1:], (0, 1))
        return (apart_NT & ~again_NT) | _last_acted(rollouts.mask)


@dataclass(frozen=True)
class TurnEnds:
    """Every turn is a step: it ends at the turn's last acted position."""

    def __call__(self, rollouts: Rollouts) -> Tensor:
        if rollouts.turn is None:
            raise ValueError("TurnEnds needs rollouts of several turns; use SeparatorEnds")
        end_NT = torch.zeros_like(rollouts.mask)
        for turn in rollouts.turn[rollouts.mask].unique():
            end_NT |= _last_acted(rollouts.mask & (rollouts.turn == turn))
        return end_NT


@dataclass(frozen=True)
class ScoredSteps:
    """A process reward: ``score(task, steps)`` gives a number for each step of a row's text.

    The text is split at ``separator``; the k-th step's score is placed at the k-th of ``ends``.
    A score that is missing or not finite is NaN there, which `StepRewards` takes for the last
    one before it. The value is the sum of the others.
    """

    score: Callable[[Task, Sequence[str]], Sequence[float]]
    ends: StepEnds
    separator: str = " "

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        placed_NT = torch.zeros(rollouts.mask.shape)
        for row, end_T in enumerate(self.ends(rollouts)):
            scores = self.score(rollouts.task_of(row), rollouts.texts[row].split(self.separator))
            given_K = torch.tensor(list(scores), dtype=torch.float32)
            at_K = end_T.nonzero().flatten()
            placed_NT[row, at_K] = torch.nan
            placed_NT[row, at_K[: len(given_K)]] = given_K[: len(at_K)]
        return Scores(placed_NT.nan_to_num(0.0, 0.0, 0.0).sum(1), placed=placed_NT)


class StepShape(Protocol):
    """Scores float[K] of a row's K steps to rewards float[K]."""

    def __call__(self, score_K: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Clip:
    """``min(r_k - threshold, 0)``: good steps earn nothing, poor ones cost.

    Choose the threshold so that most steps give 0.
    """

    threshold: Finite = 0.7

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, score_K: Tensor) -> Tensor:
        return (score_K - self.threshold).clamp_max(0)


@dataclass(frozen=True)
class Delta:
    """``r_k - r_{k+1}`` for k < K-1, then ``r_{K-1}``, then 0.

    The undiscounted return from step k is ``r_k`` (0 at the last), whatever the number of
    steps. The last score never enters: the outcome stands for it. One step gives 0.

    Alone it leaves a reason not to end: by return-to-go, every step but the last is credited its
    score besides the outcome, ending only the outcome, while what ending adds to the step before
    is credited to that step. After `Clip` no score is above 0 and the reason is gone.
    """

    def __call__(self, score_K: Tensor) -> Tensor:
        kept_K = torch.nn.functional.pad(score_K[:-1], (0, 1))[: len(score_K)]
        return kept_K - torch.nn.functional.pad(kept_K[1:], (0, 1))[: len(score_K)]


@dataclass(frozen=True)
class StepRewards:
    """``value + weight * sum_k shaped_k``, each step's reward placed at the step's end.

    ``process`` is any reward with placed scores; a row's step scores ``r_k`` are read at its
    ``ends`` and pass through ``shapes`` from first to last. (Clip, Delta), the default, bounds
    the total by the outcome's; (Delta,) by outcome + weight; () leaves the scores as they are,
    and a policy can farm them. Delta before Clip does not telescope. The bounds are for
    undiscounted returns without whitening.

    A step whose score is missing (not finite) takes the last one before it; missing ones with
    none before are not steps. A row that ``process`` can't judge is invalid. ``weight`` 0
    returns the scores untouched. Adds the part "steps". Raises ValueError where ``process``
    places nothing.
    """

    name: ClassVar[str] = "step-rewards"
    made_of: ClassVar[str] = "a reward of steps"
    no_example: ClassVar[str] = "it shapes by a reward of steps of your own"

    process: Reward
    ends: StepEnds
    weight: Finite = 0.5
    shapes: Sequence[StepShape] = (Clip(), Delta())

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if self.weight == 0:
            return scores
        steps = judged(self.process, rollouts, progress)
        if steps.placed is None and bool(steps.valid.any()):
            raise ValueError("StepRewards.process gives no scores at positions (Scores.placed)")
        step_NT = torch.zeros(rollouts.mask.shape)
        placed_NT = step_NT if steps.placed is None else steps.placed
        end_NT = self.ends(rollouts)
        valid_N = scores.valid & steps.valid
        for row in valid_N.nonzero().flatten().tolist():
            at_K, score_K = _available(end_NT[row].nonzero().flatten(), placed_NT[row])
            for shape in self.shapes:
                score_K = shape(score_K)
            step_NT[row, at_K] = self.weight * score_K
        total_N = step_NT.sum(1)
        reasons = tuple(a or b for a, b in zip(scores.reasons, steps.reasons, strict=True))
        errors = tuple(
            own if reason else other
            for reason, own, other in zip(scores.reasons, scores.errors, steps.errors, strict=True)
        )
        return replace(
            scores,
            value=scores.value + total_N,
            placed=scores.at_positions(rollouts.mask) + step_NT,
            parts={**scores.parts, "steps": total_N},
            valid=valid_N,
            reasons=reasons,
            errors=errors,
        )


def _available(at_K: Tensor, score_T: Tensor) -> tuple[Tensor, Tensor]:
    """Ends and scores of the steps, a missing score replaced by the last one before it."""
    score_K = score_T[at_K].float()
    known_K = torch.isfinite(score_K)
    latest_K = torch.where(known_K, torch.arange(len(at_K)), -1).cummax(0).values
    kept_K = latest_K >= 0
    return at_K[kept_K], score_K[latest_K[kept_K]]


def _last_acted(mask_NT: Tensor) -> Tensor:
    after_NT = mask_NT.flip(1).cumsum(1).flip(1)
    return mask_NT & (after_NT == 1)
