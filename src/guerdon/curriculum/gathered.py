"""A batch that is gathered over several steps before anything is learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from guerdon.curriculum.kept_groups import KeepsGroups, fits, groups_of, joined
from guerdon.ranges import PositiveInt, check_ranges
from guerdon.records import OWN_POLICY, Experience, Progress, Task


@dataclass(frozen=True)
class GatheredRows(KeepsGroups):
    """A `Buffer` from which nothing is learned until it holds ``least`` rows, and then from all.

    The dynamic batch of Rewarding the Unlikely (2506.02355): where a filter leaves few groups, an
    update would go by a handful of rows. A step that gathers has no update, so the policy that
    sampled the rows is still the one that learns from them: they are its own, and not replayed. Of
    a group the valid rows that acted are gathered, and none of a group whose advantages are all 0.
    What the last steps of a run gather is left over. Groups of a task that the run no longer has,
    or sampled at another temperature than the last ones, are left out.
    """

    least: PositiveInt = 256
    """How many rows there are before anything is learned."""

    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_ranges(self)

    def mix(self, fresh: Experience, tasks: Sequence[Task], progress: Progress) -> Experience:
        """No rows, or ``fresh`` and after it what was gathered.

        Raises ValueError for pairs, and for rows that can't be kept: see `state_dict`.
        """
        here = groups_of(fresh, progress.step, OWN_POLICY)
        known = self.known_tasks(tasks)
        old = [group for group in self._kept if fits(group, fresh, known)]
        if sum(len(group["value"]) for group in (*old, *here)) < self.least:
            self._kept[:] = [*old, *here]
            return fresh.select(torch.tensor([], dtype=torch.long))
        self._kept.clear()
        return joined(fresh, old, known)

    @classmethod
    def example(cls) -> GatheredRows:
        return cls(least=12)
