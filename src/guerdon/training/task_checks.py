"""Tasks that a reward can't grade are found before a run begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guerdon.composition import places, within
from guerdon.parsing.visible import visible
from guerdon.records import Task
from guerdon.rewards import Router
from guerdon.traits import ChecksTasks, ReadsReferences

SHOWN = 3
"""References that are shown of those that can't be read."""


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


def unread_references(
    reward: Any, tasks: Sequence[Task], where: str = "recipe.reward"
) -> list[str]:
    """What the parts of a reward say of references that they can't read, a line each.

    It tells the part's place, how many of how many tasks, and `SHOWN` of them. What stands in a
    `Router` is asked for the tasks of its route.
    """
    lines = []
    given: dict[str, Sequence[Task]] = {where: tasks}
    for place, part in places(reward, where):
        # Outer parts come before inner ones, so the nearest router has spoken.
        around = (one for one in given if place == one or place.startswith(f"{one}."))
        its = given[max(around, key=len)]
        if isinstance(part, Router):
            given |= {within(place, route): its for route, its in part.routed(its).items()}
        refused = part.unreadable(its) if isinstance(part, ReadsReferences) else ()
        if refused:
            shown = "; ".join(_shown(task, reason) for task, reason in refused[:SHOWN])
            lines.append(
                f"{place} can't read {len(refused):,} of {len(its):,} references, whose rows are "
                f"invalid: {shown}"
            )
    return lines


def _shown(task: Task, reason: str) -> str:
    return visible(f"task {task.id!r}: {reason} ({repr(task.answer)[:80]})")
