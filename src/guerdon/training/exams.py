"""Every held-out set of a run: the recipe's own, and its exams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guerdon.names import check_name
from guerdon.ranges import PositiveInt, check_ranges
from guerdon.records import Progress, Task, first_views
from guerdon.schedules import at
from guerdon.stages import Policy, Reward, Sampling, TaskSource
from guerdon.training.held_out import OWN, HeldOut, evaluate
from guerdon.training.task_checks import check_tasks
from guerdon.training.update import ALONE, Shard

if TYPE_CHECKING:
    from guerdon.training.recipe import PolicyRecipe


@dataclass(frozen=True)
class Exam:
    """A further held-out set, measured whenever the recipe's own is, with a reward of its own.

    ``count`` is the most tasks that are asked, of the "test" split of ``tasks``. Without a
    ``reward`` it is graded by the recipe's, and without ``sampling`` answered by the recipe's
    ``evaluation_sampling``. Its figures are ``exam/NAME/mean`` and the ends of its interval.
    """

    name: str
    tasks: TaskSource
    reward: Reward | None = None
    sampling: Sampling | None = None
    count: PositiveInt = 256

    def __post_init__(self) -> None:
        check_ranges(self)
        check_name(self.name, "exam.name")


def check_exams(exams: Sequence[Exam]) -> None:
    """Raises ValueError for what is no exam, and for a name that two exams have."""
    for exam in exams if isinstance(exams, tuple | list) else (exams,):
        if not isinstance(exam, Exam):
            raise ValueError(
                f"recipe.exams holds {exam!r:.60}, and exams have a name and tasks: give "
                "Exam(name, tasks), or --exams NAME=FILE"
            )
    twice = [name for name, count in Counter(exam.name for exam in exams).items() if count > 1]
    if twice:
        raise ValueError(f"two exams are called {twice[0]!r}; give each its own name")


@dataclass(frozen=True)
class HeldOutSet:
    """What is asked and how it is graded; the recipe's own set is called `OWN`."""

    name: str
    tasks: Sequence[Task]
    reward: Reward
    sampling: Sampling

    def measured_by(
        self, policy: Policy, seed: int, progress: Progress | None = None, shard: Shard = ALONE
    ) -> HeldOut:
        """The results of ``policy`` at this moment. Raises ValueError without tasks."""
        progress = progress or Progress()
        return evaluate(
            policy,
            self.tasks,
            at(self.reward, progress),
            self.sampling,
            seed=seed,
            progress=progress,
            shard=shard,
        )


def held_out_sets(recipe: PolicyRecipe) -> list[HeldOutSet]:
    """The recipe's own held-out set, then its exams. Raises ValueError for an exam of no task."""
    tasks = first_views(recipe.tasks.load("test"))[: recipe.loop.evaluation_tasks]
    sets = [HeldOutSet(OWN, tasks, recipe.reward, recipe.evaluation_sampling)]
    for exam in recipe.exams:
        asked = first_views(exam.tasks.load("test"))[: exam.count]
        if not asked:
            raise ValueError(
                f"the exam {exam.name!r} has no tasks: its source's test split is empty; give it "
                "one that has some (for a file, FileTasks with held_out 1.0)"
            )
        sampling = exam.sampling or recipe.evaluation_sampling
        sets.append(HeldOutSet(exam.name, asked, exam.reward or recipe.reward, sampling))
    return sets


def tasks_of(recipe: PolicyRecipe) -> tuple[Sequence[Task], list[HeldOutSet]]:
    """Training tasks and every held-out set.

    Raises ValueError where there is nothing to train on, and where an id is in both.
    """
    tasks = recipe.tasks.load("train")
    if not tasks:
        raise ValueError("the recipe's tasks are empty: nothing to train on")
    if all(task.probe for task in tasks):
        raise ValueError(
            f"all {len(tasks)} training tasks are probes: there is nothing to learn from; give "
            "some that are none"
        )
    sets = held_out_sets(recipe)
    trained = {task.id for task in tasks}
    for one in sets:
        shared = sorted(trained & {task.id for task in one.tasks})
        if shared:
            of = f" of the exam {one.name!r}" if one.name else ""
            raise ValueError(
                f"{len(shared)} held-out tasks{of} are also trained on, e.g. {shared[0]!r}; "
                "give every task its own id and keep the splits apart"
            )
    return tasks, sets


def check_gradable(recipe: PolicyRecipe, tasks: Sequence[Task], sets: Sequence[HeldOutSet]) -> None:
    """Ask the rewards whether they can grade what they are given. Raises ValueError naming them."""
    own, *exams = sets
    check_tasks(recipe.reward, [*tasks, *own.tasks])
    for number, exam in enumerate(exams):
        held = recipe.exams[number].reward
        place = "recipe.reward" if held is None else f"recipe.exams[{number}].reward"
        check_tasks(exam.reward, exam.tasks, place)


def measures(
    sets: Sequence[HeldOutSet], policy: Policy, seed: int, shard: Shard, rest: Callable[[], None]
) -> Mapping[str, Callable[[Progress], HeldOut | None]]:
    """What measures each set, by its name; ``rest`` is called before, until nothing samples."""

    def measuring(one: HeldOutSet) -> Callable[[Progress], HeldOut | None]:
        def measured(progress: Progress) -> HeldOut | None:
            rest()
            return one.measured_by(policy, seed, progress, shard) if one.tasks else None

        return measured

    return {one.name: measuring(one) for one in sets}
