"""Training tasks that the policy's own answers before training choose or complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guerdon.records import Task
from guerdon.stages import Policy, Preparation, TaskSource


@dataclass(frozen=True)
class PreparedTasks:
    """The training tasks of ``source`` as ``by`` makes them of the policy that is to be trained.

    `load` gives the tasks as they are; a run then calls `prepare` once, with its own policy before
    the first step. The test split is never prepared.
    """

    source: TaskSource
    by: Preparation

    def load(self, split: str) -> Sequence[Task]:
        """The source's tasks of "train" or "test"."""
        return self.source.load(split)

    def prepare(self, policy: Policy, tasks: Sequence[Task]) -> Sequence[Task]:
        """What is learned from of ``tasks``."""
        return self.by(policy, tasks)
