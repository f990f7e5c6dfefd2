"""How many completions of each task are drawn, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch

from guerdon.ranges import PositiveInt, at_least, check_ranges
from guerdon.records import Progress, Rollouts, Task, concat_rollouts
from guerdon.stages import Policy, Sampling


@dataclass(frozen=True)
class Groups:
    """``size`` completions of each task, all drawn alike: a group.

    A task with ``samples`` of its own has that many instead. ``size`` may be a schedule, and so
    may the numbers of ``sampling``.
    """

    name: ClassVar[str] = "groups"

    size: PositiveInt = 8
    """How many completions of a task; what compares the rows of a group needs two or more."""
    sampling: Sampling = field(default_factory=Sampling)
    """How each is drawn."""
    portion: Annotated[int, at_least(0, "0 is all")] = 0
    """How many tasks at a time: it bounds memory and changes no sample; what is finished is scored
    while the rest is drawn."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(
        self, policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int
    ) -> Rollouts:
        places: dict[int, list[int]] = {}
        for place, task in enumerate(tasks):
            places.setdefault(self.size if task.samples is None else task.samples, []).append(place)
        made = [
            policy.sample([tasks[i] for i in some], size, self.sampling, seed)
            for size, some in places.items()
        ]
        if len(made) == 1:
            return made[0]
        place_B = torch.tensor([i for some in places.values() for i in some])
        return concat_rollouts(made).arranged(place_B)
