"""In which order tasks are drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from guerdon.ranges import Seed, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task, questions


@dataclass
class InPasses(ABC):
    """Every task once per pass, in the pass's `order`; results don't change it.

    Views of one question come together, so a batch may be a few tasks longer than asked for;
    probes come with their question and are not counted. A batch that spans two passes takes the
    end of the first and the start of the second. The state is one number, so a resumed run draws
    what an unbroken one would.
    """

    def __post_init__(self) -> None:
        check_ranges(self)
        self._drawn = 0

    @abstractmethod
    def order(self, lap: int, questions: int) -> Sequence[int]:
        """The places of so many questions in pass ``lap``."""

    def next(self, tasks: Sequence[Task], count: int, progress: Progress) -> list[Task]:
        """The next ``count`` tasks. Raises ValueError where there are none."""
        if not tasks:
            raise ValueError("there are no tasks to draw from; is the training split empty?")
        asked, lap, order = questions(tasks), -1, list[int]()
        chosen, counts = list[Task](), _counted(tasks)
        while counts(chosen) < count:
            now, place = divmod(self._drawn, len(asked))
            if now != lap:
                lap, order = now, list(self.order(now, len(asked)))
            chosen += [tasks[i] for i in asked[order[place]]]
            self._drawn += 1
        return chosen

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:  # noqa: B027
        """Results don't change the order."""

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self._drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._drawn = int(state["drawn"])


@dataclass
class ShuffledTasks(InPasses):
    """Every task once per pass, each pass in an order of its own drawn from ``seed``.

    See `InPasses` for views of a question, probes and batches that span two passes.
    """

    name: ClassVar[str] = "shuffled"

    seed: Seed = 0
    """What every order is drawn from."""

    def order(self, lap: int, questions: int) -> Sequence[int]:
        """Drawn from seed and pass alone."""
        draws = np.random.Generator(np.random.Philox(key=[self.seed, lap]))
        return [int(place) for place in draws.permutation(questions)]

    @classmethod
    def example(cls) -> ShuffledTasks:
        return cls(seed=3)


@dataclass
class SequentialTasks(InPasses):
    """Tasks in the order they come, views of one question together; then from the start again."""

    name: ClassVar[str] = "sequential"

    def order(self, lap: int, questions: int) -> Sequence[int]:
        """As they come."""
        return range(questions)

    @classmethod
    def example(cls) -> SequentialTasks:
        return cls()


def _counted(tasks: Sequence[Task]) -> Callable[[Sequence[Task]], int]:
    """What counts how many were drawn: all but probes, if there is anything else to draw."""
    if all(task.probe for task in tasks):
        return len
    return lambda drawn: sum(not task.probe for task in drawn)
