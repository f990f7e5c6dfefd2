"""Paid for beating the reference answer under a scorer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from guerdon.examples import Example, probe
from guerdon.ranges import Positive, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.composing.compose import first_errors, scope_of
from guerdon.stages import Reward


@dataclass(frozen=True)
class AboveReference:
    """``1 - exp(-steepness (S(y) - S(y*)))`` where S(y) > S(y*), else 0 (arXiv 2504.11468).

    ``scorer`` is S, any reward in the units of a log-odds; the reference y* is the task's answer
    as text, scored like a completion, once per group. A constant added to S changes nothing.
    A group in which nothing beats its reference teaches nothing. Value and part "above": float[N]
    in [0, 1); invalid where S of the completion or of the reference is. Raises ValueError for
    a scorer that compares rows of a group.
    """

    name: ClassVar[str] = "above-reference"
    made_of: ClassVar[str] = "another reward"

    scorer: Reward
    steepness: Positive = 1.0

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if scope_of([self.scorer]) in ("group", "linked"):
            raise ValueError("AboveReference: its scorer compares rows; a reference is alone")

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        scores = self.scorer(rollouts, progress)
        groups, group_N = torch.unique(rollouts.group, return_inverse=True)
        first_B = torch.tensor([int((rollouts.group == g).int().argmax()) for g in groups]).long()
        asked = rollouts.select(first_B)
        asked = replace(asked, texts=tuple(str(task.answer) for task in asked.tasks))
        reference = self.scorer(asked, progress)
        gap_N = scores.value - reference.value[group_N]
        above_N = torch.where(gap_N > 0, -torch.expm1(-self.steepness * gap_N), 0.0)
        theirs = reference.select(group_N)
        reasons = tuple(
            own or (other and f"reference: {other}")
            for own, other in zip(scores.reasons, theirs.reasons, strict=True)
        )
        valid_N, errors = scores.valid & theirs.valid, first_errors(scores, theirs)
        return Scores(above_N, {"above": above_N}, valid_N, reasons, errors=errors)

    @classmethod
    def example(cls) -> Example:
        from guerdon.rewards.text.overlap import RougeL

        probes = (
            probe(
                *("longer", "What keeps Ben?", "two grey cats and a dog", ("a dog", "no cats")),
                form="{answer}",
                answer="two grey cats",
                references=["two grey cats and a dog"],
            ),
        )
        theirs = "it pays what its scorer pays beyond the reference: here an overlap of words"
        attacks = ("many-answers", "changing-answers", "odd-tags", "padded-right")
        return Example(cls(RougeL()), probes, stays=dict.fromkeys(attacks, theirs))
