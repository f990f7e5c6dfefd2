"""Responses in order of preference: what preference learning and reward models learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from guerdon.records import Task


@dataclass(frozen=True)
class Ranking:
    """A task with responses in order of preference, the best first. A pair is a ranking of two.

    ``margin`` is how much better the first is than the second (in the annotator's units), if
    known; only pairs have one. Raises ValueError for no response, for a margin of a longer or
    shorter list, and for one that is not finite.
    """

    task: Task
    responses: tuple[str, ...]
    margin: float | None = None

    def __post_init__(self) -> None:
        if not self.responses:
            raise ValueError(f"the ranking of task {self.task.id!r} has no responses")
        if self.margin is None:
            return
        if len(self.responses) != 2:
            raise ValueError(
                f"the ranking of task {self.task.id!r} has a margin and "
                f"{len(self.responses)} responses; only a pair can have a margin"
            )
        if not math.isfinite(self.margin):
            raise ValueError(
                f"the ranking of task {self.task.id!r} has a margin of {self.margin}; "
                "give a number or none"
            )


@runtime_checkable
class RankingSource(Protocol):
    """Where rankings come from. ``load`` is deterministic; splits never share a prompt."""

    def load(self, split: str) -> Sequence[Ranking]:
        """The rankings of "train" or "test", each with an id of its own."""
        ...


def refuse_longer(rankings: Sequence[Ranking], who: str) -> None:
    """Raises ValueError for a ranking that is no pair, where ``who`` takes pairs alone."""
    for one in rankings:
        if len(one.responses) != 2:
            raise ValueError(
                f"the ranking {one.task.id!r} has {len(one.responses)} responses, and {who} takes "
                "pairs; give chosen and rejected, or train a reward model (--reward-model)"
            )
