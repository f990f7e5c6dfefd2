"""What solutions are made of, step by step: whether a policy has begun to fill them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from guerdon.ranges import Filled, check_ranges
from guerdon.records import Experience, Task


@dataclass(frozen=True)
class WrittenSteps:
    """How many steps completions have, and how many of them were there before (2410.15115).

    A completion is cut at ``separator``; pieces of white space are no steps. ``steps`` is the mean
    number of a row, ``repeated`` the share of all steps that stand earlier in the same row, white
    space and case aside. With ``score`` there are ``score``, the mean over all steps, and
    ``score_sum``, the mean over rows of their sums. A reward of steps is farmed where ``steps``
    and ``score_sum`` rise while answers get no better; where it only takes away, a policy may write
    fewer. Every row counts, valid or not; scores that are not finite count nowhere. No rows, or
    rows that are no texts, give no figures; without steps there are no means over them.
    """

    separator: Filled = "\n"
    """What stands between two steps."""
    score: Callable[[Task, Sequence[str]], Sequence[float]] | None = None
    """From a task and the steps of a completion to a number for each; null: steps are not rated."""

    name: ClassVar[str] = "written-steps"

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, experience: Experience) -> Mapping[str, float]:
        rollouts = experience.rollouts
        if not len(rollouts) or not rollouts.texts:
            return {}
        written = [
            [step for step in text.split(self.separator) if step.strip()] for text in rollouts.texts
        ]
        every = sum(map(len, written))
        figures = {"steps": every / len(written)}
        if every:
            figures["repeated"] = sum(map(_repeated, written)) / every
        if self.score is None:
            return figures
        rated = [
            [float(one) for one in self.score(rollouts.task_of(row), steps) if isfinite(one)]
            for row, steps in enumerate(written)
        ]
        if known := sum(map(len, rated)):
            figures["score"] = sum(map(sum, rated)) / known
        return figures | {"score_sum": sum(map(sum, rated)) / len(rated)}

    @classmethod
    def example(cls) -> WrittenSteps:
        return cls(" ")


def _repeated(steps: Sequence[str]) -> int:
    return len(steps) - len({" ".join(step.lower().split()) for step in steps})
