"""Tasks behind worked examples: longer prompts, in which a model may see how it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from guerdon.ranges import Count, check_ranges
from guerdon.records import Task
from guerdon.stages import TaskSource
from guerdon.tasks.arithmetic import Arithmetic


@dataclass(frozen=True)
class WithExamples:
    """Tasks of ``source``, each after ``examples`` others of the same split with their answers.

    The examples of a task are the ones that follow it in the source, round and round, so no
    prompt holds its own answer; at most all others are shown.
    """

    source: TaskSource = field(default_factory=Arithmetic)
    examples: Count = 20

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test"."""
        tasks = self.source.load(split)
        shown = [f"{t.text.strip()} {t.answer}\n" for t in tasks] * 2
        n = min(self.examples, len(tasks) - 1)
        return [
            replace(task, prompt="".join(shown[i + 1 : i + 1 + n]) + task.text)
            for i, task in enumerate(tasks)
        ]
