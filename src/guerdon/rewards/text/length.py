"""Rewards that look at the length of a completion, in acted tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.examples import Example, Judges, numbers, probe, style
from guerdon.overlong import SoftOverlong
from guerdon.ranges import Count, Finite, PositiveInt, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.answers.answer import AnswerMatch
from guerdon.rewards.composing.compose import scope_of
from guerdon.rewards.running.rows import single
from guerdon.stages import Reward


@dataclass(frozen=True)
class LengthReward:
    """1 for completions of ``shortest`` to ``longest`` acted tokens, falling off linearly.

    A completion ``d`` tokens outside gets ``max(0, 1 - d / margin)``. Value and part
    "length": float[N] in [0, 1]; never invalid (no acted token is length 0).
    """

    name: ClassVar[str] = "length"

    shortest: Count = 0
    """Tokens from which a completion is long enough."""
    longest: Count = 256
    """Tokens up to which it is short enough."""
    margin: PositiveInt = 64
    """Tokens beyond either end over which the reward falls to 0."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.shortest > self.longest:
            raise ValueError(
                f"LengthReward needs shortest <= longest, not {self.shortest} and {self.longest}"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        length_N = rollouts.mask.sum(1)
        outside_N = (self.shortest - length_N).clamp(min=0) + (length_N - self.longest).clamp(min=0)
        return single("length", (1 - outside_N / self.margin).clamp(min=0))

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), style("a word or two", "word " * 900), Judges.STYLE)


@dataclass(frozen=True)
class OverlongReward(SoftOverlong):
    """DAPO's soft overlong punishment as a reward of its own; see `SoftOverlong`.

    0 for completions that stop in good time, down to ``-factor`` for those at the limit of
    acted tokens. It does not read the answer: sum it with a reward that does
    (`guerdon.shaping.OverlongPenalty` lays the same over any reward). Value and part
    "overlong": float[N] in [-factor, 0], not bounded below with ``bounded=False``; never
    invalid.
    """

    name: ClassVar[str] = "overlong"

    scope: ClassVar[str] = "completion"

    @property
    def range(self) -> tuple[float, float]:
        return (-self.factor if self.bounded else -math.inf), 0.0

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return single("overlong", self.penalty(rollouts.mask.sum(1)))

    @classmethod
    def example(cls) -> Example:
        return Example(
            cls(limit=1024, buffer=256), style("a word or two", "word " * 900), Judges.STYLE
        )


def cosine_between(length_N: Tensor, limit: int, first: float, last: float) -> Tensor:
    """float[N]: from ``first`` at length 0 to ``last`` at ``limit`` and beyond, along a cosine.

    ``last + (first - last) (1 + cos(pi min(L, limit) / limit)) / 2``.
    """
    share_N = length_N.clamp(max=limit).double() / limit
    return last + 0.5 * (first - last) * (1 + torch.cos(math.pi * share_N))


@dataclass(frozen=True)
class CosineLength:
    """Accuracy whose worth depends on length (arXiv 2502.03373; Gazal-R1, arXiv 2506.21594).

    A right answer (``correct`` above 1/2) of L acted tokens is worth `cosine_between` the two
    values of ``right`` (at length 0 and at ``limit``), a wrong one those of ``wrong``; at
    ``limit`` tokens and beyond it is ``exceeded``, unless that is None. The default makes short
    right answers best and long wrong ones least bad. ``right=(0.5, 1.0), wrong=(-1.0, -0.5)``
    favours long answers. Groups of right answers differ in length only, and standardising
    them blows that up: see Dr. GRPO's mean-only advantage.

    Value and part "cosine_length": float[N]; invalid where ``correct`` is.
    """

    name: ClassVar[str] = "cosine-length"

    correct: Reward = field(default_factory=AnswerMatch)
    """The reward that says which answers are right."""
    limit: PositiveInt = 256
    """Tokens at which the second value of each pair is reached."""
    right: tuple[Finite, Finite] = (1.0, 0.5)
    """What a right answer is worth at length 0 and at the limit."""
    wrong: tuple[Finite, Finite] = (-0.5, 0.0)
    """What a wrong answer is worth at length 0 and at the limit."""
    exceeded: Finite | None = None
    """What a completion at the limit or beyond is worth instead."""

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def scope(self) -> str:
        return scope_of([self.correct])

    @property
    def range(self) -> tuple[float, float]:
        ends = (*self.right, *self.wrong, *([] if self.exceeded is None else [self.exceeded]))
        return min(ends), max(ends)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        correct = self.correct(rollouts, progress)
        length_N = rollouts.mask.sum(1)
        value_N = torch.where(
            correct.value > 0.5,
            cosine_between(length_N, self.limit, *self.right),
            cosine_between(length_N, self.limit, *self.wrong),
        )
        if self.exceeded is not None:
            value_N = torch.where(length_N >= self.limit, self.exceeded, value_N)
        value_N = value_N.float()
        return Scores(
            value_N,
            {"cosine_length": value_N},
            correct.valid,
            correct.reasons,
            errors=correct.errors,
        )

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), numbers())


@dataclass(frozen=True)
class GroupRelativeLength:
    """Shorter than the others of the group is better (Kimi k1.5, arXiv 2501.12599).

    ``lambda = 1/2 - (L - shortest) / (longest - shortest)`` over the group's rows that
    ``correct`` could judge; a right answer (above 1/2) gets lambda, a wrong one min(0, lambda).
    0 where all lengths of a group are equal, and so for a group of one. Add it to an accuracy
    term. Value and part "relative_length": float[N] in [-1/2, 1/2]; invalid where ``correct``
    is.
    """

    name: ClassVar[str] = "relative-length"

    correct: Reward = field(default_factory=AnswerMatch)
    """The reward that says which rows are right."""

    scope: ClassVar[str] = "group"
    range: ClassVar[tuple[float, float]] = (-0.5, 0.5)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        correct = self.correct(rollouts, progress)
        length_N = rollouts.mask.sum(1).double()
        groups = len(rollouts.tasks)
        shortest_B = torch.full((groups,), math.inf, dtype=torch.double).scatter_reduce(
            0, rollouts.group, torch.where(correct.valid, length_N, math.inf), "amin"
        )
        longest_B = torch.full((groups,), -math.inf, dtype=torch.double).scatter_reduce(
            0, rollouts.group, torch.where(correct.valid, length_N, -math.inf), "amax"
        )
        span_N = (longest_B - shortest_B)[rollouts.group]
        share_N = (length_N - shortest_B[rollouts.group]) / span_N.clamp(min=1)
        lambda_N = torch.where(span_N > 0, 0.5 - share_N, 0.0)
        value_N = torch.where(correct.value > 0.5, lambda_N, lambda_N.clamp(max=0)).float()
        return Scores(
            value_N,
            {"relative_length": value_N},
            correct.valid,
            correct.reasons,
            errors=correct.errors,
        )

    @classmethod
    def example(cls) -> Example:
        long = "75, as the sum of the tens and the ones is " + "checked again and " * 20 + "75"
        probes = (probe("sum", "Compute 37+48.", "85", (long,)),)
        return Example(cls(), probes, Judges.STYLE)
