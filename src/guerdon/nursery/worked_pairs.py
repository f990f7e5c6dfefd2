"""Worked answers in pairs: a right one before a wrong one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from guerdon.nursery.worked import worked_arithmetic
from guerdon.ranges import Seed, check_ranges
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.stages import TaskSource


@dataclass(frozen=True)
class WorkedPairs:
    """A pair for each sum of ``tasks`` that a careless worker gets wrong.

    Both answers stand under the careful worker's heading, so that the steps and the result alone
    tell them apart. The worker's slips depend on the task's id and ``seed`` alone. The column
    ``operation`` is kept: accuracies by category can be told.
    """

    tasks: TaskSource
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Ranking]:
        """The pairs of "train" or "test", in the tasks' order."""
        made = (self._pair(task) for task in self.tasks.load(split))
        return [pair for pair in made if pair is not None]

    def _pair(self, task: Task) -> Ranking | None:
        source = random.Random(f"{self.seed} {task.id}")
        right, wrong = (worked_arithmetic(task, source, slip) for slip in (0.0, 1.0))
        if f"<answer>{task.answer}</answer>" in wrong:
            return None
        return Ranking(task, (right, wrong.replace("quick:", "carry:")))
