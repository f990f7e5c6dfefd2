"""In which order tasks are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from guerdon.ranges import Seed, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task


@dataclass
class ShuffledTasks:
    """Every task once per pass, each pass in an order of its own drawn from ``seed``.

    A batch that spans two passes takes the end of one and the start of the next. The state is
    one number, so a resumed run draws what an unbroken one would.
    """

    name: ClassVar[str] = "shuffled"

    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)
        self._drawn = 0

    def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]:
        """The next ``count`` tasks. Raises ValueError where there are none."""
        _need(tasks)
        chosen: list[Task] = []
        while len(chosen) < count:
            lap, start = divmod(self._drawn, len(tasks))
            order = np.random.Generator(np.random.Philox(key=[self.seed, lap])).permutation(
                len(tasks)
            )
            picked = order[start : start + count - len(chosen)]
            chosen += [tasks[int(i)] for i in picked]
            self._drawn += len(picked)
        return chosen

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:
        """Results don't change the order."""

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._drawn = int(state["drawn"])


@dataclass
class SequentialTasks:
    """Tasks in the order they come, from the start again at the end."""

    name: ClassVar[str] = "sequential"

    def __post_init__(self) -> None:
        self._drawn = 0

    def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]:
        """The next ``count`` tasks. Raises ValueError where there are none."""
        _need(tasks)
        chosen = [tasks[(self._drawn + i) % len(tasks)] for i in range(count)]
        self._drawn += count
        return chosen

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:
        """Results don't change the order."""

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._drawn = int(state["drawn"])


def _need(tasks: Sequence[Task]) -> None:
    if not tasks:
        raise ValueError("there are no tasks to draw from; is the training split empty?")
