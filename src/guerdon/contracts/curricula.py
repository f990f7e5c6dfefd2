"""What every curriculum and every filter of groups promises."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from guerdon.contracts.made import made_rollouts, made_scores
from guerdon.contracts.promises import calling, check_written_and_read_back, mixed_order, promise
from guerdon.records import Experience, Progress, Rollouts, Scores, Task
from guerdon.stages import Curriculum, GroupFilter

TASKS = tuple(Task(f"t{i}", f"prompt {i}") for i in range(7))
DRAWS = (2, 3, 7, 1, 16)
"""How many tasks are asked for, one batch after another: more than there are, at the end."""


def check_curriculum(curriculum: Curriculum) -> None:
    """Raises AssertionError where a curriculum breaks what every curriculum promises.

    It draws as many tasks as it is asked for, or more, of those that there are, also more than
    there are; the same settings draw the same; what it remembers goes to a checkpoint and back,
    so that a run that goes on draws what an unbroken one would; without tasks it raises
    ValueError; and it goes to a recipe's file and back.
    """
    check_written_and_read_back(curriculum)
    first = [names(deepcopy(curriculum), count, 0) for count in DRAWS]
    promise(
        first == [names(deepcopy(curriculum), count, 0) for count in DRAWS],
        curriculum,
        "made anew it draws others; what is drawn comes from a seed among its settings",
    )
    check_resumes(curriculum)
    fresh = deepcopy(curriculum)
    try:
        fresh.next([], 1, Progress())
    except ValueError:
        return
    except Exception as error:
        promise(False, curriculum, f"without tasks it raises {type(error).__name__}, no ValueError")
    promise(False, curriculum, "without tasks it draws some")


def names(curriculum: Curriculum, count: int, step: int) -> list[str]:
    """The ids of a batch, after which what came of it is observed."""
    with calling(curriculum, f"{len(TASKS)} tasks, asked for {count}"):
        drawn = curriculum.next(TASKS, count, Progress(step, len(DRAWS)))
        strange = [one for one in drawn if one not in TASKS]
        told = f"it draws {strange[:1]}, which is none of the tasks"
        promise(not strange, curriculum, told)
        less = f"asked for {count} tasks it draws {len(drawn)}"
        promise(len(drawn) >= count, curriculum, less)
        curriculum.observe(made_rollouts(), made_scores())
    return [task.id for task in drawn]


def check_resumes(curriculum: Any) -> None:
    """What a run draws that goes on is what an unbroken one draws."""
    unbroken = deepcopy(curriculum)
    whole = [names(unbroken, count, step) for step, count in enumerate(DRAWS)]
    for stop in range(1, len(DRAWS)):
        begun, resumed = deepcopy(curriculum), deepcopy(curriculum)
        for step, count in enumerate(DRAWS[:stop]):
            names(begun, count, step)
        resumed.load_state_dict(deepcopy(begun.state_dict()))
        after = [names(resumed, count, stop + i) for i, count in enumerate(DRAWS[stop:])]
        told = f"resumed after {stop} batches it draws others than a run that was not stopped"
        promise(after == whole[stop:], curriculum, told)


def check_filter(group_filter: GroupFilter) -> None:
    """Raises AssertionError where a filter of groups breaks what every filter promises.

    It says of each group whether it is kept, bool[B]; invalid rows and the order of rows change
    nothing; groups without a valid row, and no rows, are no error; and it goes to a recipe's file
    and back. Tried on scores with the parts "a" and "b".
    """
    rollouts, scores = made_rollouts(acted=True), made_scores()
    groups = len(rollouts.tasks)
    kept_B = kept(group_filter, scores, rollouts)
    promise(
        kept_B.shape == (groups,) and kept_B.dtype == torch.bool,
        group_filter,
        f"of {groups} groups it says {kept_B.dtype} of shape {tuple(kept_B.shape)}, not bool of "
        f"({groups},)",
    )
    for told, order in (
        ("the order of rows changes", mixed_order(len(scores))),
        ("invalid rows change", scores.valid.nonzero().flatten()),
    ):
        moved = rollouts.select(order)
        places = {task.id: place for place, task in enumerate(moved.tasks)}
        found = kept(group_filter, scores.select(order), moved)
        alike = all(
            found[places[task.id]] == kept_B[place]
            for place, task in enumerate(rollouts.tasks)
            if task.id in places
        )
        promise(alike, group_filter, f"{told} which groups are kept")
    invalid = made_scores(valid=(False,) * len(scores))
    promise(not kept(group_filter, invalid, rollouts).any(), group_filter, "it keeps a group "
            "without a valid row: nothing is learned from it")  # fmt: skip
    none_N = torch.zeros(len(scores), dtype=torch.bool)
    kept(group_filter, scores.select(none_N), rollouts.select(none_N))
    check_written_and_read_back(group_filter)


def kept(group_filter: GroupFilter, scores: Scores, rollouts: Rollouts) -> Tensor:
    """What the filter says; AssertionError where it raises or gives something else."""
    rows = f"{len(scores)} rows, {int(scores.valid.sum())} of them valid"
    with calling(group_filter, rows):
        made = group_filter(Experience(rollouts, scores))
    kind = type(made).__name__
    promise(isinstance(made, Tensor), group_filter, f"it returns a {kind}, no tensor")
    return made
