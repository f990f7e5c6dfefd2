"""In which order tasks are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from guerdon.ranges import Seed, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task, questions


@dataclass
class ShuffledTasks:
    """Every task once per pass, each pass in an order of its own drawn from ``seed``.

    Views of one question come together, so a batch may be a few tasks longer than asked for;
    probes come with their question and are not counted.

    A batch that spans two passes takes the end of one and the start of the next. The state is
    one number, so a resumed run draws what an unbroken one would.
    """

    name: ClassVar[str] = "shuffled"

    seed: Seed = 0
    """What every order is drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)
        self._drawn = 0

    def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]:
        """The next ``count`` tasks. Raises ValueError where there are none."""
        _need(tasks)
        asked, lap, order = questions(tasks), -1, np.zeros(0, int)
        chosen, counts = list[Task](), _counted(tasks)
        while counts(chosen) < count:
            now, place = divmod(self._drawn, len(asked))
            if now != lap:
                lap, draws = now, np.random.Generator(np.random.Philox(key=[self.seed, now]))
                order = draws.permutation(len(asked))
            chosen += [tasks[i] for i in asked[int(order[place])]]
            self._drawn += 1
        return chosen

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:
        """Results don't change the order."""

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._drawn = int(state["drawn"])

    @classmethod
    def example(cls) -> ShuffledTasks:
        return cls(seed=3)


@dataclass
class SequentialTasks:
    """Tasks in the order they come, views of one question together; then from the start again."""

    name: ClassVar[str] = "sequential"

    def __post_init__(self) -> None:
        self._drawn = 0

    def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]:
        """The next ``count`` tasks. Raises ValueError where there are none."""
        _need(tasks)
        asked, chosen, counts = questions(tasks), list[Task](), _counted(tasks)
        while counts(chosen) < count:
            chosen += [tasks[i] for i in asked[self._drawn % len(asked)]]
            self._drawn += 1
        return chosen

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:
        """Results don't change the order."""

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._drawn = int(state["drawn"])

    @classmethod
    def example(cls) -> SequentialTasks:
        return cls()


def _counted(tasks: Sequence[Task]) -> Callable[[Sequence[Task]], int]:
    """What counts how many were drawn: all but probes, if there is anything else to draw."""
    if all(task.probe for task in tasks):
        return len
    return lambda drawn: sum(not task.probe for task in drawn)


def _need(tasks: Sequence[Task]) -> None:
    if not tasks:
        raise ValueError("there are no tasks to draw from; is the training split empty?")
