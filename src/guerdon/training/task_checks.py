"""Tasks that a reward can't grade are found before a run begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guerdon.composition import places
from guerdon.records import Task
from guerdon.traits import ChecksTasks


def check_tasks(reward: Any, tasks: Sequence[Task], where: str = "recipe.reward") -> None:
    """Ask every part of a reward that has a ``check_tasks`` whether it can grade the tasks.

    Raises ValueError with the part's place and its words, which name tasks and mend.
    """
    for place, part in places(reward, where):
        if not isinstance(part, ChecksTasks):
            continue
        try:
            part.check_tasks(tasks)
        except ValueError as error:
            raise ValueError(f"{place} can't grade these tasks: {error}") from error
