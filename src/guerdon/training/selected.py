"""Training tasks chosen by how well the model to be trained answers them before it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from guerdon.curriculum import Ranking, hard, select_by_score
from guerdon.judging import judged
from guerdon.ranges import PositiveInt, check_ranges
from guerdon.records import Progress, Task
from guerdon.stages import Policy, Reward, Sampling, TaskSource
from guerdon.training.policies import load_policy
from guerdon.training.recipe import Model


@dataclass(frozen=True)
class SelectedTasks:
    """``count`` training tasks of ``source``; the test split is whole.

    ``model`` answers each task once, drawn by ``sampling``; ``which`` picks by the answers'
    rewards (`hard`: the lowest). Ungradable tasks are never chosen. Raises ValueError where
    fewer than ``count`` can be graded. Each `load` of "train" samples anew, to the same end.
    """

    source: TaskSource
    reward: Reward
    count: PositiveInt = 400
    which: Ranking = hard
    model: Model = field(default_factory=Model)
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.7, top_p=0.9))

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test"."""
        tasks = self.source.load(split)
        return tasks if split == "test" else self.choose(load_policy(self.model), tasks)

    def choose(self, policy: Policy, tasks: Sequence[Task]) -> list[Task]:
        """``count`` of ``tasks``, by the rewards of ``policy``."""
        scores = judged(self.reward, policy.sample(tasks, 1, self.sampling, 0), Progress())
        return select_by_score(tasks, scores.value.tolist(), self.count, self.which)
