"""The form of reasoning models that state their answer in a box after the thinking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from guerdon.examples import Example, Judges, probe
from guerdon.parsing import last_boxed
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards.running.rows import single


@dataclass(frozen=True)
class ThoughtThenBox:
    r"""1 where a completion thinks and then gives a box (Gazal-R1, arXiv 2506.21594), else 0.

    It begins with the only ``section``, which holds something, and what follows has a balanced
    ``\boxed{..}`` with something in it. Value and part "format": float[N] of 0 and 1; never
    invalid.
    """

    name: ClassVar[str] = "thought-then-box"

    section: str = "think"
    """The section of the thinking."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return single("format", torch.tensor([float(self.holds(t)) for t in rollouts.texts]))

    def holds(self, text: str) -> bool:
        """Whether one completion has the form."""
        opening, closing = f"<{self.section}>", f"</{self.section}>"
        before, found, rest = text.partition(opening)
        if not found or before.strip() or opening in rest or rest.count(closing) != 1:
            return False
        inside, _, after = rest.partition(closing)
        return bool(inside.strip()) and bool((last_boxed(after) or "").strip())

    @classmethod
    def example(cls) -> Example:
        right = r"<think>Fever and a rash.</think> So it is \boxed{B}."
        wrong = (r"\boxed{B}", "<think>Fever.</think> B", r"<think>\boxed{B}</think> B")
        spaced = right.replace("</think> ", "</think>\n\n")
        probes = (probe("box", "Which is it?", right, wrong, (spaced,), "{answer}", answer="B"),)
        return Example(cls(), probes, Judges.FORM)
