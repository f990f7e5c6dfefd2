"""How many completions of each task are drawn, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from guerdon.ranges import PositiveInt, at_least, check_ranges
from guerdon.records import Progress, Rollouts, Task
from guerdon.stages import Policy, Sampling


@dataclass(frozen=True)
class Groups:
    """``size`` completions of each task, all drawn alike: a group.

    ``size`` may be a schedule, and so may the numbers of ``sampling``.
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
        return policy.sample(tasks, self.size, self.sampling, seed)
