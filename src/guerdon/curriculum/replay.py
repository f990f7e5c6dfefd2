"""Rows of earlier steps, learned from once more: experience replay with stored log-probs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch

from guerdon.curriculum.kept_groups import Group, KeepsGroups, fits, groups_of, joined
from guerdon.ranges import Decay, OneOf, PositiveInt, Seed, check_ranges
from guerdon.records import Experience, Progress, Task

REPLAYED = "replay"
"""The origin of rows that the run's own policy made in an earlier step."""


@dataclass(frozen=True)
class ReplayedRows(KeepsGroups):
    """A `Buffer` of groups of earlier steps, mixed whole into what is learned from.

    A group is kept with its advantage and the log-probs that its rows were sampled with, so an
    objective with a ratio weighs them as what they are: off-policy. Of a group the valid rows that
    acted are kept, and none of a group whose advantages are all 0. Up to ``share`` of the rows that
    are learned from are replayed: groups in an order drawn from ``seed`` and the step, each as
    long as it fits. So a share that is smaller than a group replays nothing.

    What parts wrote into the rows (values, the reference's log-probs) is of the step that sampled
    them. Groups sampled at another temperature, or of a task that the run no longer has, wait or
    are left out. Replayed rows have the origin "replay", or stay those of whoever else made them.
    """

    capacity: PositiveInt = 256
    """How many rows are kept at most."""
    share: Decay = 0.25
    """Of the rows that are learned from, those that may be replayed."""
    age: PositiveInt = 8
    """How many steps a group is kept; 1 is the step after its own."""
    keep: Annotated[str, OneOf("newest", "best")] = "newest"
    """Which groups stay where there are too many: the newest, or those of the best mean value, of
    equal ones the newest."""
    seed: Seed = 0
    """What decides, with the step, which groups are replayed."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def mix(self, fresh: Experience, tasks: Sequence[Task], progress: Progress) -> Experience:
        """``fresh`` and after it what is replayed; then keep ``fresh`` too.

        Raises ValueError for pairs, and for rows that can't be kept: see `state_dict`.
        """
        here = groups_of(fresh, progress.step, REPLAYED)
        known = self.known_tasks(tasks)
        old = [group for group in self._kept if progress.step - group["step"] <= self.age]
        mixed = joined(fresh, self._drawn(fresh, old, known, progress), known)
        self._kept[:] = self._best([*old, *here])
        return mixed

    @classmethod
    def example(cls) -> ReplayedRows:
        return cls(capacity=64, share=0.5)

    def _drawn(
        self,
        fresh: Experience,
        old: Sequence[Group],
        known: Mapping[str, Task],
        progress: Progress,
    ) -> list[Group]:
        """Groups in a drawn order, as many as fit."""
        learned = int((fresh.scores.valid & fresh.rollouts.mask.any(1)).sum())
        room = int(self.share / (1 - self.share) * learned + 1e-9)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + progress.step)
        drawn = []
        for place in torch.randperm(len(old), generator=generator).tolist():
            group, size = old[place], len(old[place]["value"])
            if fits(group, fresh, known) and size <= room:
                drawn.append(group)
                room -= size
        return drawn

    def _best(self, groups: Sequence[Group]) -> list[Group]:
        """As many groups as there is capacity for, in the order they came."""
        ranked = list(range(len(groups)))[::-1]
        if self.keep == "best":
            ranked.sort(key=lambda place: -float(groups[place]["value"].double().mean()))
        stay, rows = set(), 0
        for place in ranked:
            size = len(groups[place]["value"])
            if rows + size <= self.capacity:
                stay.add(place)
                rows += size
        return [group for place, group in enumerate(groups) if place in stay]
