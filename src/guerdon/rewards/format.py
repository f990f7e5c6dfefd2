"""Rewards for the form of a completion: its sections, its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from guerdon.parsing import last_boxed, sections
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.rows import single


@dataclass(frozen=True)
class FormatReward:
    """1 where a completion has its tagged sections, each exactly once, else 0.

    ``strict``: nothing but white space stands outside them and they come in the given order.
    Without it, text outside is tolerated, and order too unless ``require_order``.
    ``box_in`` names a section that must hold a balanced box ("" = none need).

    Value and part "format": float[N] of 0 and 1; never invalid.
    """

    sections: tuple[str, ...] = ("think", "answer")
    strict: bool = True
    require_order: bool = False
    box_in: str = ""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.box_in and self.box_in not in self.sections:
            raise ValueError(
                f"FormatReward: box_in is {self.box_in!r}, which is none of the sections "
                f"{', '.join(self.sections)}"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return single("format", torch.tensor([float(self.holds(t)) for t in rollouts.texts]))

    def holds(self, text: str) -> bool:
        """Whether one completion has the form."""
        found = sections(text, self.sections)
        if any(found.count(name) != 1 for name in self.sections):
            return False
        if self.strict and not found.strict:
            return False
        if self.require_order and not found.ordered:
            return False
        return not self.box_in or last_boxed(found.once(self.box_in) or "") is not None


@dataclass(frozen=True)
class LengthReward:
    """1 for completions of ``shortest`` to ``longest`` acted tokens, falling off linearly.

    A completion ``d`` tokens outside gets ``max(0, 1 - d / margin)``. Value and part
    "length": float[N] in [0, 1]; never invalid (no acted token is length 0).
    """

    shortest: int = 0
    longest: int = 256
    margin: int = 64

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 <= self.shortest <= self.longest or self.margin < 1:
            raise ValueError(
                "LengthReward needs 0 <= shortest <= longest and margin >= 1, not "
                f"{self.shortest}, {self.longest}, {self.margin}"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        length_N = rollouts.mask.sum(1)
        outside_N = (self.shortest - length_N).clamp(min=0) + (length_N - self.longest).clamp(min=0)
        return single("length", (1 - outside_N / self.margin).clamp(min=0))
