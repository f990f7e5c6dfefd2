"""Rewards made of rewards. The named parts of each add up to its value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor

from guerdon import traits
from guerdon.examples import Example, numbers, sentences
from guerdon.groups import standardised
from guerdon.ranges import Finite, NonNegative, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.records.pairs import joined
from guerdon.schedules import at, ends
from guerdon.stages import Reward

UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True)
class OfRewards(ABC):
    """What rewards that are made of named rewards share: the names, the scope, what was said."""

    rewards: Mapping[str, Reward]
    """The rewards that it is made of, by name."""

    def __post_init__(self) -> None:
        check_ranges(self)
        check_names(self, self.rewards)

    @property
    def scope(self) -> str:
        return scope_of(self.rewards.values())

    @abstractmethod
    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        """What they come to together."""

    def totals(self, rollouts: Rollouts, progress: Progress) -> dict[str, Scores]:
        """What each reward says. Raises ValueError for placed scores."""
        scores = {name: reward(rollouts, progress) for name, reward in self.rewards.items()}
        refuse_placed(self, scores)
        return scores


def combined(scores: Mapping[str, Scores], value_N: Tensor, parts: Mapping[str, Tensor]) -> Scores:
    """What several made: a row is valid where it is in all, and all that was said is kept."""
    valid_N, reasons, errors = joint_validity(scores, len(value_N))
    return Scores(value_N, dict(parts), valid_N, tuple(reasons), errors=errors, **beside(scores))


@dataclass(frozen=True)
class WeightedSum(OfRewards):
    """sum_k w_k r_k over named rewards; a weight left out is 1.

    Parts: ``w_k r_k`` float[N] under each name. A row that is invalid in any reward of
    non-zero weight is invalid. Placed rewards stay placed; beside them, an unplaced one falls
    on the row's last acted position (a row without one is invalid).
    """

    name: ClassVar[str] = "weighted-sum"
    made_of: ClassVar[str] = "other rewards"

    weights: Mapping[str, Finite] = field(default_factory=dict)
    """What each counts; one left out counts 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(self, self.rewards, self.weights)

    @property
    def range(self) -> tuple[float, float]:
        low = high = 0.0
        for name, reward in self.rewards.items():
            weights = ends(self.weights.get(name, 1.0))
            found = [0.0 if w == 0 else w * end for w in weights for end in range_of(reward)]
            low, high = low + min(found), high + max(found)
        return low, high

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        weights = {name: at(self.weights.get(name, 1.0), progress) for name in self.rewards}
        weighted = {n: r for n, r in self.rewards.items() if weights[n]}
        scores = {name: reward(rollouts, progress) for name, reward in weighted.items()}
        valid_N, reasons, errors = joint_validity(scores, len(rollouts))
        parts = {name: weights[name] * s.value for name, s in scores.items()}
        placed = None
        if any(s.placed is not None for s in scores.values()):
            nowhere_N = ~rollouts.mask.any(1)
            for row in (nowhere_N & valid_N).nonzero().flatten().tolist():
                reasons[row] = "the row has no acted position to place a reward on"
            valid_N = valid_N & ~nowhere_N
            placed_each = [
                weights[n] * (_at_end(s, rollouts) if s.placed is None else s.placed)
                for n, s in scores.items()
            ]
            total_NT = torch.stack(placed_each).sum(0)
            placed = torch.where(valid_N[:, None], total_NT, torch.zeros_like(total_NT))
        total_N = total(parts, len(rollouts))
        return Scores(total_N, parts, valid_N, tuple(reasons), placed, errors, **beside(scores))

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.answers.answer import AnswerMatch
        from guerdon.rewards.text.format import FormatReward
        from guerdon.rewards.text.repetition import RepetitionPenalty

        named: dict[str, Reward] = {
            "format": FormatReward(),
            "answer": AnswerMatch(),
            "repetition": RepetitionPenalty(),
        }
        return Example(cls(named, {"format": 0.2, "repetition": 0.1}), numbers())


@dataclass(frozen=True)
class Product(OfRewards):
    """prod_k r_k over named rewards.

    Parts: the first reward's value, and for each further one what it changes in the running
    product, so that they sum to it (format 1 and accuracy 0: parts 1 and -1). A row that is
    invalid in any reward is invalid. Raises ValueError for placed scores.
    """

    name: ClassVar[str] = "product"
    made_of: ClassVar[str] = "other rewards"

    @property
    def range(self) -> tuple[float, float]:
        return reduce(_range_product, (range_of(reward) for reward in self.rewards.values()))

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        scores = self.totals(rollouts, progress)
        parts: dict[str, Tensor] = {}
        running_N = None
        for name, score in scores.items():
            product_N = score.value if running_N is None else running_N * score.value
            parts[name] = product_N if running_N is None else product_N - running_N
            running_N = product_N
        return combined(scores, total(parts, len(rollouts)), parts)

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.answers.answer import AnswerMatch
        from guerdon.rewards.text.format import FormatReward

        return Example(cls({"format": FormatReward(), "answer": AnswerMatch()}), numbers())


@dataclass(frozen=True)
class Gate:
    """``then`` where ``on`` is above ``threshold``, ``otherwise`` elsewhere.

    Parts: those of ``then`` where the gate is open, 0 elsewhere, and "closed", which is
    ``otherwise`` where the gate is closed. A row is invalid where ``on`` is, and where the
    gate is open and ``then`` is: behind a closed gate nothing was to be judged.
    """

    name: ClassVar[str] = "gate"
    made_of: ClassVar[str] = "other rewards"

    on: Reward
    """The reward that opens the gate."""
    then: Reward
    """The reward behind it."""
    threshold: Finite = 0.5
    """The value above which the gate is open."""
    otherwise: Finite = 0.0
    """What a row is worth where it is closed."""

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def scope(self) -> str:
        return scope_of((self.on, self.then))

    @property
    def range(self) -> tuple[float, float]:
        low, high = range_of(self.then)
        return min(low, self.otherwise), max(high, self.otherwise)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        on, then = self.on(rollouts, progress), self.then(rollouts, progress)
        if then.placed is not None and self.otherwise:
            raise ValueError("Gate: otherwise must be 0 where the gated scores are placed")
        open_N = on.value > self.threshold
        zero_N = torch.zeros_like(then.value)
        closed_N = torch.where(open_N, zero_N, torch.full_like(zero_N, self.otherwise))
        parts = {name: torch.where(open_N, part, zero_N) for name, part in then.parts.items()}
        parts = parts or {"then": torch.where(open_N, then.value, zero_N)}
        placed = then.placed
        if placed is not None:
            placed = torch.where(open_N[:, None], placed, torch.zeros_like(placed))
        return Scores(
            value=torch.where(open_N, then.value, closed_N),
            parts={**parts, "closed": closed_N} if self.otherwise else parts,
            valid=on.valid & (then.valid | ~open_N),
            reasons=tuple(
                first or second for first, second in zip(on.reasons, then.reasons, strict=True)
            ),
            placed=placed,
            errors=first_errors(on, then),
            **beside({"on": on, "then": then}),
        )

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.answers.answer import AnswerMatch
        from guerdon.rewards.text.format import FormatReward

        return Example(cls(FormatReward(), AnswerMatch(), otherwise=-1.0), numbers())


@dataclass(frozen=True)
class GroupZAverage(OfRewards):
    """(1/K) sum_k z_k, every reward standardised within the group (BLEUBERI, 2505.11080).

    ``z = (r - mean) / (std + epsilon)`` over the rows of a group that are valid in all
    rewards, with ddof 1 as the authors' code has it, or 0 without ``unbiased``. A group of one
    valid row and a group of equal values give 0. Parts: ``z_k / K`` float[N]. Row-order
    equivariant; the value of a row depends on its group. Raises ValueError for placed scores.
    """

    name: ClassVar[str] = "group-z-average"
    made_of: ClassVar[str] = "other rewards"

    epsilon: NonNegative = 1e-6
    unbiased: bool = True

    @property
    def scope(self) -> str:
        return "group"

    @property
    def range(self) -> tuple[float, float]:
        return UNBOUNDED

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        scores = self.totals(rollouts, progress)
        valid_N, _, _ = joint_validity(scores, len(rollouts))
        parts = {
            name: standardised(score.value, valid_N, rollouts.group, self.epsilon, self.unbiased)
            / len(scores)
            for name, score in scores.items()
        }
        return combined(scores, total(parts, len(rollouts)), parts)

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.answers.free_text import TextMatch, TokenF1

        named = {"match": TextMatch(), "overlap": TokenF1()}
        return Example(cls(named), sentences(short=True)[:1])


def beside(scores: Mapping[str, Scores]) -> dict[str, Any]:
    """What named rewards say beside their scores, for the scores of a reward made of them.

    Diagnostics and remarks are under the reward's name; comparisons are all of them.
    """
    remarks = [
        "; ".join(f"{name}: {said}" for name, said in zip(scores, row, strict=True) if said) or None
        for row in zip(*(score.remarks for score in scores.values()), strict=True)
    ]
    told = [score.comparisons for score in scores.values() if score.comparisons is not None]
    return {
        "diagnostics": {
            f"{name}/{figure}": value
            for name, score in scores.items()
            for figure, value in score.diagnostics.items()
        },
        "remarks": tuple(remarks),
        "comparisons": joined(told),
    }


def check_names(owner: Any, rewards: Mapping[str, Reward]) -> None:
    """Raises ValueError for no reward and for names that recipe files use themselves."""
    if not rewards:
        raise ValueError(f"{type(owner).__name__} needs at least one named reward")
    for name in ("part", "function"):
        if name in rewards:
            raise ValueError(
                f"{type(owner).__name__}: {name!r} can't name a reward, since recipe files "
                "use that word themselves; choose another name"
            )


def check_weights(owner: Any, rewards: Mapping[str, Reward], weights: Mapping[str, Any]) -> None:
    """Raises ValueError for a weight that belongs to no reward."""
    for name in weights:
        if name not in rewards:
            raise ValueError(
                f"{type(owner).__name__} has a weight for {name!r}, but its rewards are "
                f"{', '.join(rewards)}"
            )


def refuse_placed(owner: Any, scores: Mapping[str, Scores]) -> None:
    """Raises ValueError where a score is placed at positions."""
    for name, score in scores.items():
        if score.placed is not None:
            raise ValueError(
                f"{type(owner).__name__} combines totals, but {name!r} is placed at positions; "
                "use WeightedSum or Gate"
            )


def joint_validity(
    scores: Mapping[str, Scores], rows: int
) -> tuple[Tensor, list[str | None], tuple[str | None, ...]]:
    """bool[N], valid in every score, and per row the first reason why it is not, with its error."""
    valid_N = torch.ones(rows, dtype=torch.bool)
    reasons: list[str | None] = [None] * rows
    for name, score in scores.items():
        valid_N = valid_N & score.valid
        for row, reason in enumerate(score.reasons):
            if reason is not None and reasons[row] is None:
                reasons[row] = f"{name}: {reason}"
    return valid_N, reasons, first_errors(*scores.values(), rows=rows)


def first_errors(*scores: Scores, rows: int = 0) -> tuple[str | None, ...]:
    """Per row, the error of the first of the scores in which it is invalid; ``rows`` if none."""
    errors: list[str | None] = [None] * (len(scores[0]) if scores else rows)
    told = [False] * len(errors)
    for score in scores:
        for row, reason in enumerate(score.reasons):
            if reason is not None and not told[row]:
                told[row], errors[row] = True, score.errors[row]
    return tuple(errors)


def _at_end(score: Scores, rollouts: Rollouts) -> Tensor:
    if rollouts.mask.shape[1] == 0:
        return torch.zeros(rollouts.mask.shape)
    positions_T = torch.arange(rollouts.mask.shape[1])
    last_N = torch.where(rollouts.mask, positions_T, -1).amax(1)
    at_last_NT = positions_T == last_N[:, None]
    return torch.where(at_last_NT, score.value[:, None], 0.0)


def total(parts: Mapping[str, Tensor], rows: int) -> Tensor:
    """float[N]: the sum of the parts; zeros where there are none."""
    return torch.stack(list(parts.values())).sum(0) if parts else torch.zeros(rows)


def scope_of(rewards: Any) -> str:
    """The widest scope of several rewards."""
    order: Sequence[str] = ("completion", "turn", "group", "linked")
    return max((traits.scope_of(r) for r in rewards), key=order.index)


def range_of(reward: Any) -> tuple[float, float]:
    """A reward's declared range, unbounded where it declares none."""
    return traits.range_of(reward) or UNBOUNDED


def _range_product(one: tuple[float, float], two: tuple[float, float]) -> tuple[float, float]:
    ends = [0.0 if 0.0 in (a, b) else a * b for a in one for b in two]
    return min(ends), max(ends)
