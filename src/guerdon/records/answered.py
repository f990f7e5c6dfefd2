"""Whether rows are what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from guerdon.records.rollouts import Rollouts
from guerdon.records.tasks import Task


def check_answered(tasks: Sequence[Task], made: Any) -> Rollouts:
    """What a sampler made, if it is rows of these tasks, in their order, one or more of each.

    Raises ValueError otherwise.
    """
    if not isinstance(made, Rollouts):
        raise ValueError(f"a sampler returns Rollouts, not {type(made).__name__}")
    asked, answered = [task.id for task in tasks], [task.id for task in made.tasks]
    if asked != answered:
        raise ValueError(
            f"a sampler returns a group for each of its tasks, in their order; asked for "
            f"{asked[:3]} ({len(asked)} in all), it answers {answered[:3]} ({len(answered)})"
        )
    if not torch.equal(torch.unique_consecutive(made.group), torch.arange(len(asked))):
        raise ValueError(
            "a sampler returns its rows ordered by task, one or more for each; the groups of these "
            f"{len(made)} rows begin {made.group[:8].tolist()}, of {len(asked)} tasks"
        )
    return made
