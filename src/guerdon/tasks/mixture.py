"""Tasks of several sources in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from guerdon.records import Task
from guerdon.stages import TaskSource
from guerdon.tasks.arithmetic import Arithmetic
from guerdon.tasks.choices import MultipleChoice
from guerdon.tasks.facts import FactQuestions
from guerdon.tasks.regions import TextBoxes


@dataclass(frozen=True)
class MixedTasks:
    """The tasks of every source, one of each in turn until all are dealt.

    Each task's column ``column`` holds its source's name, for a `Router` of rewards to go by.
    Raises ValueError without sources and for two tasks of one id.
    """

    sources: Mapping[str, TaskSource]
    column: str = "task_type"

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("MixedTasks needs at least one named source")

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of the sources' split."""
        dealt = [
            [replace(t, columns={**t.columns, self.column: name}) for t in source.load(split)]
            for name, source in self.sources.items()
        ]
        tasks = [task for task in chain.from_iterable(zip_longest(*dealt)) if task is not None]
        if len({task.id for task in tasks}) < len(tasks):
            raise ValueError(f"MixedTasks: two of {', '.join(self.sources)} share a task id")
        return tasks


def four_kinds(sums: str, choices: str, boxes: str, facts: str, train: int = 512) -> MixedTasks:
    """The four kinds of answers that vision models are trained on, in words, a quarter each.

    Sums, multiple choice, boxes and facts, ``train`` tasks of each, under the names that a system
    has for them.
    """
    return MixedTasks(
        {
            sums: Arithmetic(train=train),
            choices: MultipleChoice(train=train),
            boxes: TextBoxes(train=train),
            facts: FactQuestions(train=train),
        }
    )
